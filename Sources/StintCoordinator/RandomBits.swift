// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Unpredictable bits from the operating system, fetched many at a time.
///
/// One system call per number would be more than all else that leasing a job costs outside the record.
final class RandomBits: Sendable {
    /// 256 bytes: the most that getentropy(3) gives in one call.
    private static let fetchedAtOnce = 32

    private let bits = Mutex<[UInt64]>([])

    /// 64 uniform bits.
    func next() -> UInt64 {
        bits.withLock { bits in
            if bits.isEmpty { bits = Self.fetch() }
            return bits.removeLast()
        }
    }

    private static func fetch() -> [UInt64] {
        var fetched = [UInt64](repeating: 0, count: fetchedAtOnce)
        let result = fetched.withUnsafeMutableBytes { getentropy($0.baseAddress, $0.count) }
        guard result == 0 else {
            var generator = SystemRandomNumberGenerator()
            return fetched.map { _ in generator.next() }
        }
        return fetched
    }
}
