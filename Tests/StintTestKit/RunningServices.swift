// SPDX-License-Identifier: Apache-2.0

import Logging
package import ServiceLifecycle

/// Runs the services while `body` runs, then stops them in order and waits for their end.
package func running<Value: Sendable>(
    _ services: [any Service],
    _ body: () async throws -> Value
) async throws -> Value {
    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: quiet))
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        let result: Result<Value, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
        return try result.get()
    }
}
