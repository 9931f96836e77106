// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Time that only goes forward, for deadlines.
enum MonotonicClock {
    static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    static func deadline(afterMilliseconds milliseconds: Int) -> Int64 {
        nanoseconds() + Int64(milliseconds) * 1_000_000
    }
}
