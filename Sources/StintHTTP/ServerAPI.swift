// SPDX-License-Identifier: Apache-2.0

import CStintAssets
import HTTPTypes
import HummingbirdCore
import NIOCore
import StintCoordinator
import StintModel
import StintStorage
import StintTelemetry
import StintWire
import Synchronization

/// Whether the process should be given new work.
///
/// Draining begins with the order to stop.
package final class Readiness: Sendable {
    private let draining = Atomic<Bool>(false)

    package init() {}

    package var isDraining: Bool { draining.load(ordering: .acquiring) }

    package func beginDraining() {
        draining.store(true, ordering: .releasing)
    }
}

/// The document that `GET /openapi.json` serves.
func openAPIDocument() -> [UInt8] {
    var length = 0
    let start = stint_openapi_json(&length)
    return Array(UnsafeBufferPointer(start: start, count: length))
}

/// Health, the contract, the metrics.
struct ServerAPI: Sendable {
    let coordinator: Coordinator
    let readiness: Readiness

    var health: [Route] {
        [
            Route(.get, "/healthz", isOpen: true) { request, _ in
                _ = try request.query()
                return .view(HealthView())
            },
            Route(.get, "/readyz", isOpen: true) { request, _ in
                _ = try request.query()
                return try await ready()
            },
        ]
    }

    var contract: [Route] {
        [
            Route(.get, "/openapi.json") { request, _ in
                _ = try request.query()
                return .json(openAPIDocument())
            }
        ]
    }

    var observing: [Route] {
        [
            metricsRoute { try await processGauges() + queueGauges() + workerGauges() },
            Route(.get, "/") { request, _ in
                _ = try request.query()
                return .text("text/html; charset=utf-8", Self.index)
            },
        ]
    }

    /// What this process counted.
    ///
    /// The gauges of the record are the coordinators', so that a fleet does not tell them once more for each submitter.
    var counting: [Route] { [metricsRoute { processGauges() }] }

    private func metricsRoute(_ gauges: @escaping @Sendable () async throws -> [GaugeReading]) -> Route {
        Route(.get, "/metrics") { request, _ in
            _ = try request.query()
            let text = coordinator.metrics.text(gauges: try await gauges())
            return .text("text/plain; version=0.0.4; charset=utf-8", text)
        }
    }

    private func ready() async throws -> Response {
        if readiness.isDraining {
            throw Problem(ServiceError.unavailable("the server is draining: it takes no new work"))
        }
        _ = try await coordinator.queues()
        return .view(HealthView())
    }

    private static let index = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>Stint coordinator</title>
        <h1>Stint \(StintVersion.current): coordinator</h1>
        <ul><li><a href="/metrics">Metrics</a> in Prometheus text</li><li><a href="/healthz">Health</a></li>
        <li><a href="/readyz">Readiness</a></li></ul>
        <p>Jobs, queues and workers are shown by the submitter's API and by the command line:
        <code>stint stats</code>, <code>stint jobs list</code>, <code>stint workers list</code>.</p></html>

        """

    // MARK: Metrics

    private func processGauges() -> [GaugeReading] {
        [
            GaugeReading(
                "stint_build_info",
                help: "1, labelled with the version.",
                labels: [("version", StintVersion.current)],
                value: 1
            ),
            GaugeReading(
                "stint_queue_backend_up",
                help: "Whether the belt can be reached.",
                value: coordinator.isQueueUp ? 1 : 0
            ),
        ]
    }

    private func queueGauges() async throws -> [GaugeReading] {
        let now = try await coordinator.recordNow()
        let depth = Double(try await coordinator.beltDepth())
        var gauges = [GaugeReading("stint_belt_jobs", help: "Jobs on the belt.", value: depth)]
        for queue in try await coordinator.queues().prefix(500) {
            for state in JobState.allCases {
                gauges.append(
                    GaugeReading(
                        "stint_jobs",
                        help: "Jobs by queue and state.",
                        labels: [("queue", queue.queue), ("state", state.name)],
                        value: Double(queue.counts[state] ?? 0)
                    )
                )
            }
            gauges.append(
                GaugeReading(
                    "stint_queue_oldest_available_age_seconds",
                    help: "How long the head of the queue's longest-waiting lane could have run.",
                    labels: [("queue", queue.queue)],
                    value: queue.oldestAvailable.map { max(0, now.since($0).seconds) } ?? 0
                )
            )
        }
        return gauges
    }

    private func workerGauges() async throws -> [GaugeReading] {
        let sessions = try await coordinator.sessions()
        let live = sessions.filter { $0.endedAt == nil }
        let used = live.reduce(0) { $0 + $1.running }
        let free = live.reduce(0) { $0 + ($1.isDraining ? 0 : max(0, $1.concurrency - $1.running)) }
        let byState = Dictionary(grouping: sessions, by: \.state).mapValues(\.count)
        return [WorkerState.available, .busy, .draining, .unavailable].map { state in
            GaugeReading(
                "stint_workers",
                help: "Worker sessions by state.",
                labels: [("state", state.rawValue)],
                value: Double(byState[state] ?? 0)
            )
        }
            + [("used", used), ("free", free)].map { state, count in
                GaugeReading(
                    "stint_worker_slots",
                    help: "Slots of live worker sessions.",
                    labels: [("state", state)],
                    value: Double(count)
                )
            }
    }
}

extension Response {
    static func text(_ type: String, _ text: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
