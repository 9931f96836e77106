// SPDX-License-Identifier: Apache-2.0

import Foundation

extension StintWorker {
    /// Adds a shell command as a handler.
    package func handle(_ command: ShellCommand) {
        // What the worker was started with, its settings for coordinators included: a job may submit others.
        let environment = ProcessInfo.processInfo.environment
            .filter { !Self.ownVariables.contains($0.key) }
            .map { "\($0.key)=\($0.value)" }
        add(command.name) { context in
            let launch = try command.launch(context, environment: environment)
            return try ShellCommand.result(await ChildProcess.run(launch))
        }
    }

    /// Of another job, where this worker is itself the command of one.
    private static let ownVariables: Set = [
        "STINT_JOB_ID", "STINT_JOB_NAME", "STINT_QUEUE", "STINT_ATTEMPT", "STINT_LEASE", "STINT_PAYLOAD",
    ]
}
