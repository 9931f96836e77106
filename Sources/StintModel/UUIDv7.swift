// SPDX-License-Identifier: Apache-2.0

/// A version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, then bits that rise within a millisecond, then random
/// ones.
///
/// The textual order, the byte order and `Comparable` agree, so that ids sort by creation.
public struct UUIDv7: Hashable, Comparable, Sendable {
    /// The first eight bytes, big-endian.
    public let high: UInt64
    /// The last eight bytes, big-endian.
    public let low: UInt64

    /// Creates an id from its two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Orders ids as their text and bytes order.
    public static func < (lhs: UUIDv7, rhs: UUIDv7) -> Bool {
        (lhs.high, lhs.low) < (rhs.high, rhs.low)
    }

    /// The smallest id that could have been made at `instant`: ids made earlier are less, later ones greater.
    public static func lowerBound(at instant: Timestamp) -> UUIDv7 {
        let milliseconds = UInt64(clamping: max(0, min(instant.milliseconds, (1 << 48) - 1)))
        return UUIDv7(high: milliseconds << 16, low: 0)
    }
}

/// Names a job.
public typealias JobID = UUIDv7
/// Names a worker session: one start of a worker process.
public typealias WorkerID = UUIDv7

extension UUIDv7: LosslessStringConvertible {
    /// Parses the 36-character form; any version is taken, letters in either case.
    ///
    /// Nil for everything else.
    public init?(_ text: String) {
        var text = text
        let parsed = text.withUTF8 { UUIDv7(utf8: $0) }
        guard let parsed else { return nil }
        self = parsed
    }

    /// Parses the 36-character form from UTF-8 bytes.
    public init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count == 36 else { return nil }
        var halves: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for (index, byte) in bytes.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = Hex.value(of: byte) else { return nil }
            if digits < 16 {
                halves.0 = halves.0 << 4 | UInt64(digit)
            } else {
                halves.1 = halves.1 << 4 | UInt64(digit)
            }
            digits += 1
        }
        self.init(high: halves.0, low: halves.1)
    }

    /// The 36-character form, lower case.
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { buffer in
            write(to: buffer)
            return 36
        }
    }

    /// Writes the 36-character form to the start of `buffer`, which must hold that many bytes.
    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) {
        var position = 0
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 {
                buffer[position] = UInt8(ascii: "-")
                position += 1
            }
            let half = index < 16 ? high : low
            buffer[position] = Hex.digit(UInt8(truncatingIfNeeded: half >> UInt64(60 - (index % 16) * 4)) & 0xF)
            position += 1
        }
    }

    /// The 16 bytes, most significant first.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        for half in [high, low] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: half >> shift))
            }
        }
        return bytes
    }
}
