// SPDX-License-Identifier: Apache-2.0

/// Hexadecimal digits, for ids and tokens.
package enum Hex {
    /// The value 0…15 of a digit in either case, nil for any other byte.
    package static func value(of byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The lower-case digit of a value 0…15.
    package static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
    }

    /// `value` as exactly `width` digits.
    package static func append(_ value: UInt64, width: Int, to text: inout [UInt8]) {
        for position in (0..<width).reversed() {
            text.append(digit(UInt8(truncatingIfNeeded: value >> UInt64(position * 4)) & 0xF))
        }
    }
}
