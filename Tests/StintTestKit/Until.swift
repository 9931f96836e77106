// SPDX-License-Identifier: Apache-2.0

/// What was waited for did not come.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String
}

/// Lets other tasks go on until the condition holds.
///
/// It takes as long as they take; the limit is for tests that would hang.
package func until(
    _ what: String,
    limit: Duration = .seconds(180),
    _ condition: () async throws -> Bool
) async throws {
    let start = ContinuousClock.now
    while try await !condition() {
        guard start.duration(to: .now) < limit else { throw NeverHappened(description: "never happened: \(what)") }
        await Task.yield()
    }
}

/// Whether the condition comes to hold while other tasks get their turns, time standing still.
package func comesTrue(turns: Int = 2_000, _ condition: () async throws -> Bool) async rethrows -> Bool {
    for _ in 0..<turns {
        if try await condition() { return true }
        await Task.yield()
    }
    return false
}
