// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintStorage

extension StorageError {
    /// Whatever is wrong with Redis, its callers do the same about it: go on without, and try again later.
    init(_ error: RedisError) {
        self = error.code == .closed ? .closed : .unavailable("\(error)")
    }

    static var unreadableReply: StorageError { .unavailable("Redis gave an answer of another shape") }
}
