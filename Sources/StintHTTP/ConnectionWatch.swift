// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// Tells long waits that their client has gone: a parked poll must not be given jobs that nobody will receive.
final class ConnectionWatch: Sendable {
    private let callbacks = Mutex<[ObjectIdentifier: @Sendable () -> Void]>([:])

    /// Calls `onClose` if the connection closes before `body` returns.
    func during<Value>(
        _ connection: ObjectIdentifier,
        onClose: @escaping @Sendable () -> Void,
        _ body: () async throws -> Value
    ) async rethrows -> Value {
        callbacks.withLock { $0[connection] = onClose }
        defer { callbacks.withLock { _ = $0.removeValue(forKey: connection) } }
        return try await body()
    }

    func closed(_ connection: ObjectIdentifier) {
        let callback = callbacks.withLock { $0.removeValue(forKey: connection) }
        callback?()
    }
}
