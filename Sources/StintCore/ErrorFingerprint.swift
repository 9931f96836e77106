// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Tells whether two failures are the same failure: job name, error type and the message without what varies from one
/// occurrence to the next (numbers, UUIDs and long hexadecimal runs).
package enum ErrorFingerprint {
    /// 16 hexadecimal digits: FNV-1a (Fowler, Noll, Vo) over the three parts.
    package static func of(_ error: JobError, jobName: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for part in [jobName, error.type, normalised(error.message)] {
            for byte in part.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01b3
        }
        var digits: [UInt8] = []
        Hex.append(hash, width: 16, to: &digits)
        return String(decoding: digits, as: UTF8.self)
    }

    /// The message's first 400 bytes, every UUID and every word that is a number or long hexadecimal replaced by `#`.
    static func normalised(_ message: String) -> String {
        var result: [UInt8] = []
        var word: [UInt8] = []
        let bytes = Array(message.utf8.prefix(400))
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if word.isEmpty, startsWithUUID(bytes[index...]) {
                result.append(UInt8(ascii: "#"))
                index += 36
                continue
            }
            index += 1
            if isWordByte(byte) {
                word.append(byte)
            } else {
                result.append(contentsOf: replaced(word))
                word.removeAll(keepingCapacity: true)
                result.append(byte)
            }
        }
        result.append(contentsOf: replaced(word))
        return String(decoding: result, as: UTF8.self)
    }

    /// 36 characters in the form of a UUID: their parts may be all letters.
    private static func startsWithUUID(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.count >= 36 else { return false }
        return bytes.prefix(36).withUnsafeBufferPointer { UUIDv7(utf8: $0) != nil }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: byte >= 0x80
        }
    }

    private static func replaced(_ word: [UInt8]) -> [UInt8] {
        let digits = word.count { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard digits > 0 else { return word }
        let isHexadecimal = word.count >= 8 && word.allSatisfy { Hex.value(of: $0) != nil }
        // "0x1f", "15ms", "v2": what starts with a digit is a number with a unit.
        let isNumber = word.first.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
        return isHexadecimal || isNumber ? [UInt8(ascii: "#")] : word
    }
}
