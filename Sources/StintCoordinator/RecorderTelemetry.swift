// SPDX-License-Identifier: Apache-2.0

import StintStorage
package import StintTelemetry

/// What the group commit tells of itself.
package struct RecorderTelemetry: Sendable {
    private let seconds: HistogramFamily
    private let batchSize: HistogramFamily
    private let errors: CounterFamily
    private let backend: String

    package init(_ registry: MetricRegistry, backend: String) {
        self.backend = backend
        seconds = registry.histogram(
            "stint_record_operation_seconds",
            help: "Time of an operation on the record, flush included.",
            labels: ["backend", "operation"],
            bounds: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
        )
        batchSize = registry.histogram(
            "stint_commit_batch_size",
            help: "Commands that shared one transaction.",
            bounds: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
        )
        errors = registry.counter(
            "stint_record_errors_total",
            help: "Operations on the record that failed.",
            labels: ["backend", "operation"]
        )
        errors.add(0, [backend, "commit"])
    }

    func committed(commands: Int, nanoseconds: Int64) {
        seconds.observe(Double(nanoseconds) / 1e9, [backend, "commit"])
        batchSize.observe(Double(commands))
    }

    func failed(_ error: StorageError) {
        errors.add(1, [backend, "commit"])
    }
}
