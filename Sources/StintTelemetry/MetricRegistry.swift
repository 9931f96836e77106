// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counters, gauges and histograms, written as Prometheus text (exposition format 0.0.4).
///
/// A family has a fixed list of label names; the number of its series is bounded, and what goes beyond is counted under the label
/// value `__other__`.
package final class MetricRegistry: Sendable {
    private let families = Mutex<[String: any MetricFamily]>([:])

    package init() {}

    /// A family of counters; the same name gives the same family.
    package func counter(_ name: String, help: String, labels: [String] = []) -> CounterFamily {
        family(name) { CounterFamily(name: name, help: help, labels: labels) }
    }

    /// A family of histograms with the given upper bounds.
    package func histogram(_ name: String, help: String, labels: [String] = [], bounds: [Double]) -> HistogramFamily {
        family(name) { HistogramFamily(name: name, help: help, labels: labels, bounds: bounds) }
    }

    private func family<Family: MetricFamily>(_ name: String, _ make: () -> Family) -> Family {
        families.withLock { families in
            if let known = families[name] as? Family { return known }
            let family = make()
            families[name] = family
            return family
        }
    }

    /// All series, families sorted by name, and the gauges that are read at this moment.
    package func text(gauges: [GaugeReading] = []) -> String {
        let families = families.withLock { Array($0.values) }
        var blocks = families.map { (name: $0.name, text: $0.text()) }
        for (name, readings) in Dictionary(grouping: gauges, by: \.name) {
            blocks.append((name, GaugeReading.text(readings)))
        }
        return blocks.sorted { $0.name < $1.name }.map(\.text).joined()
    }
}

/// A gauge's value at the moment of a scrape.
package struct GaugeReading: Sendable {
    package var name: String
    package var help: String
    package var labels: [(name: String, value: String)]
    package var value: Double

    package init(_ name: String, help: String, labels: [(name: String, value: String)] = [], value: Double) {
        self.name = name
        self.help = help
        self.labels = labels
        self.value = value
    }

    static func text(_ readings: [GaugeReading]) -> String {
        guard let first = readings.first else { return "" }
        let lines = readings.map {
            "\($0.name)\(MetricText.labels($0.labels)) \(MetricText.number($0.value))\n"
        }
        return MetricText.header(first.name, help: first.help, kind: "gauge") + lines.sorted().joined()
    }
}

protocol MetricFamily: Sendable {
    var name: String { get }
    func text() -> String
}

/// Writing the exposition format.
enum MetricText {
    static func header(_ name: String, help: String, kind: String) -> String {
        "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
    }

    static func labels(_ labels: [(name: String, value: String)]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }

    static func number(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        if value == .infinity { return "+Inf" }
        return "\(value)"
    }
}
