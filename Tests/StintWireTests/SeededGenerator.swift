// SPDX-License-Identifier: Apache-2.0

/// SplitMix64: small, and the same everywhere for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Text with everything that needs care in JSON: escapes, controls, wide characters.
    mutating func text(lengthMax: Int = 24) -> String {
        let special: [UnicodeScalar] = [
            "\"", "\\", "/", "\u{0}", "\u{1F}", "\u{7F}", "\u{2028}", "é", "日", "😀", "\u{FFFF}",
        ]
        var scalars = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...lengthMax, using: &self) {
            if Bool.random(using: &self), let scalar = special.randomElement(using: &self) {
                scalars.append(scalar)
            } else if let scalar = UnicodeScalar(UInt32.random(in: 0...0x10FFFF, using: &self)) {
                scalars.append(scalar)
            }
        }
        return String(scalars)
    }

    /// One JSON value, spelled with white space where it may stand.
    mutating func json(depth: Int = 0) -> String {
        let kind = Int.random(in: 0...(depth < 5 ? 7 : 5), using: &self)
        switch kind {
        case 0: return ["true", "false", "null"].randomElement(using: &self) ?? "null"
        case 1: return String(Int64.random(in: Int64.min...Int64.max, using: &self))
        case 2: return ["0", "-0", "1e400", "1.50", "-1E-7", "123456789012345678901234567890", "0.1e+1"][index(7)]
        case 3: return [#""\ud800""#, #""\u0000""#, #""\/""#, #""\uD83D\ude00""#, #""""#][index(5)]
        case 4, 5:
            return
                "\"\(text().unicodeScalars.filter { $0.value >= 0x20 && $0 != "\"" && $0 != "\\" }.map(String.init).joined())\""
        case 6:
            return "[\((0..<index(4)).map { _ in space() + json(depth: depth + 1) + space() }.joined(separator: ","))]"
        default:
            return
                "{\((0..<index(4)).map { _ in "\(space())\"k\(index(3))\"\(space()):\(space())\(json(depth: depth + 1))" }.joined(separator: ","))}"
        }
    }

    mutating func index(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }

    mutating func space() -> String { ["", "", " ", "\n", "\t\r "][index(5)] }
}

/// Fresh for every run; a failing one is told in the message and can be put here.
let seeds: [UInt64] = (0..<8).map { _ in UInt64.random(in: UInt64.min...UInt64.max) }
