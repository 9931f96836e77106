// SPDX-License-Identifier: Apache-2.0

package import Logging

/// A worker that runs the sample workloads, as `stint serve --worker` has it beside the server.
package func makeSampleWorker(
    coordinatorURL: String,
    token: String?,
    concurrency: Int,
    timeScale: Double,
    drainTimeout: Duration = .seconds(25),
    logger: Logger = Logger(label: "stint.worker")
) -> StintWorker {
    var configuration = WorkerConfiguration(
        coordinatorURLs: [coordinatorURL],
        token: token,
        concurrency: concurrency,
        drainTimeout: drainTimeout
    )
    // The samples end when they are cancelled.
    configuration.cancelGrace = .seconds(1)
    let worker = StintWorker(configuration: configuration, logger: logger)
    worker.handleSamples(timeScale: timeScale, networkURL: "\(coordinatorURL)/healthz")
    return worker
}
