// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The series of a family, bounded in number.
struct SeriesTable<Value: Sendable>: Sendable {
    /// More label sets than this share one series whose values are all `__other__`.
    static var seriesMax: Int { 2000 }

    let labels: [String]
    private(set) var values: [[String]: Value] = [:]

    init(labels: [String]) {
        self.labels = labels
    }

    mutating func update(_ key: [String], default initial: @autoclosure () -> Value, _ change: (inout Value) -> Void) {
        precondition(key.count == labels.count, "a series has one value per label")
        let isNew = values[key] == nil
        let place = isNew && values.count >= Self.seriesMax ? labels.map { _ in "__other__" } : key
        change(&values[place, default: initial()])
    }

    /// Sorted by label values.
    var sorted: [(labels: [(name: String, value: String)], value: Value)] {
        values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { (Array(zip(labels, $0.key)).map { (name: $0.0, value: $0.1) }, $0.value) }
    }
}

/// Counters that share a name.
package final class CounterFamily: MetricFamily {
    package let name: String
    private let help: String
    private let series: Mutex<SeriesTable<Int>>

    init(name: String, help: String, labels: [String]) {
        self.name = name
        self.help = help
        series = Mutex(SeriesTable(labels: labels))
        if labels.isEmpty { add(0, []) }
    }

    package func add(_ count: Int, _ labelValues: [String]) {
        series.withLock { $0.update(labelValues, default: 0) { $0 += count } }
    }

    /// Several additions under one lock.
    package func add(_ counts: [[String]: Int]) {
        series.withLock { series in
            for (labelValues, count) in counts { series.update(labelValues, default: 0) { $0 += count } }
        }
    }

    func text() -> String {
        let lines = series.withLock(\.sorted).map { "\(name)\(MetricText.labels($0.labels)) \($0.value)\n" }
        return MetricText.header(name, help: help, kind: "counter") + lines.joined()
    }
}

/// Histograms that share a name and bounds.
package final class HistogramFamily: MetricFamily {
    struct Histogram: Sendable {
        /// Not cumulative; the last is above all bounds.
        var counts: [Int]
        var sum = 0.0
    }

    package let name: String
    private let help: String
    private let bounds: [Double]
    private let series: Mutex<SeriesTable<Histogram>>

    init(name: String, help: String, labels: [String], bounds: [Double]) {
        self.name = name
        self.help = help
        self.bounds = bounds
        series = Mutex(SeriesTable(labels: labels))
    }

    package func observe(_ value: Double, _ labelValues: [String] = []) {
        observe([(labelValues, value)])
    }

    /// Several observations under one lock.
    package func observe(_ observations: [(labelValues: [String], value: Double)]) {
        series.withLock { series in
            for (labelValues, value) in observations {
                let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
                series.update(labelValues, default: Histogram(counts: Array(repeating: 0, count: bounds.count + 1))) {
                    $0.counts[bucket] += 1
                    $0.sum += value
                }
            }
        }
    }

    func text() -> String {
        var text = MetricText.header(name, help: help, kind: "histogram")
        for (labels, histogram) in series.withLock(\.sorted) {
            var cumulative = 0
            for (bound, count) in zip(bounds + [.infinity], histogram.counts) {
                cumulative += count
                let bucketLabels = labels + [(name: "le", value: MetricText.number(bound))]
                text += "\(name)_bucket\(MetricText.labels(bucketLabels)) \(cumulative)\n"
            }
            text += "\(name)_sum\(MetricText.labels(labels)) \(MetricText.number(histogram.sum))\n"
            text += "\(name)_count\(MetricText.labels(labels)) \(cumulative)\n"
        }
        return text
    }
}
