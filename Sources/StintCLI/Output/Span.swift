// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintModel

/// A length of time as people type and read it.
package struct Span: ExpressibleByArgument, Hashable, Sendable {
    package var seconds: Double

    package init(seconds: Double) {
        self.seconds = seconds
    }

    /// A number of seconds, or a number with a unit: `90`, `1.5`, `250ms`, `30s`, `5m`, `2h`, `7d`.
    package init?(argument: String) {
        let units: [(suffix: String, seconds: Double)] = [
            ("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("", 1),
        ]
        guard let unit = units.first(where: { argument.hasSuffix($0.suffix) }) else { return nil }
        let digits = argument.dropLast(unit.suffix.count)
        guard let first = digits.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
            let number = Double(digits), number.isFinite
        else { return nil }
        seconds = number * unit.seconds
    }

    package var defaultValueDescription: String { Self.text(seconds) }

    /// Short, for people: `0.3 s`, `12 s`, `3 min`, `4 h`, `2 d`.
    package static func text(_ seconds: Double) -> String {
        let amount = abs(seconds)
        let sign = seconds < 0 ? "-" : ""
        if amount < 10 { return "\(sign)\(tenths(amount)) s" }
        if amount < 120 { return "\(sign)\(Int(amount)) s" }
        if amount < 7200 { return "\(sign)\(Int(amount / 60)) min" }
        if amount < 172_800 { return "\(sign)\(Int(amount / 3600)) h" }
        return "\(sign)\(Int(min(amount, 1e15) / 86_400)) d"
    }

    /// How long before or after `now` an instant is: `3 min ago`, `in 12 s`.
    static func relative(_ instant: Timestamp, to now: Timestamp) -> String {
        let seconds = instant.since(now).seconds
        return seconds > 0 ? "in \(text(seconds))" : "\(text(-seconds)) ago"
    }

    private static func tenths(_ amount: Double) -> String {
        let tenths = Int((amount * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
