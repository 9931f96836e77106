// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Makes ids that rise strictly, even within a millisecond and when the clock is set back (RFC 9562, section 6.2, method 1:
/// a fixed-length counter behind the time, seeded at random in its lower half).
package struct UUIDv7Generator: Sendable {
    private static let counterMax: UInt64 = 0xFFF
    private var milliseconds: UInt64 = 0
    private var counter: UInt64 = 0

    package init() {}

    /// The next id.
    ///
    /// `random` is 64 uniform bits.
    package mutating func next(at now: Timestamp, random: UInt64) -> UUIDv7 {
        let clock = UInt64(clamping: max(0, now.milliseconds))
        if clock > milliseconds {
            milliseconds = clock
            counter = random >> 54  // ten bits: leaves room for at least 3,072 more in this millisecond
        } else if counter < Self.counterMax {
            counter += 1
        } else {
            // More ids than the millisecond holds: borrow from the next one.
            milliseconds += 1
            counter = 0
        }
        let high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | counter
        return UUIDv7(high: high, low: 1 << 63 | random & 0x3FFF_FFFF_FFFF_FFFF)
    }
}
