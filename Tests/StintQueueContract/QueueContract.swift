// SPDX-License-Identifier: Apache-2.0

package import StintStorage

/// What every `ReadyQueue` must do, as a list of cases: a belt is done when all of them pass.
package enum ReadyQueueContract {
    package static let cases: [Case] = [
        serving, lanes, windows, refilling, resetting, walking,
    ].flatMap { $0 }

    /// One fact about a belt.
    package struct Case: Sendable, CustomStringConvertible {
        package let name: String
        let window: Int
        let check: @Sendable (QueueHarness) async throws -> Void

        init(_ name: String, window: Int = 8, check: @escaping @Sendable (QueueHarness) async throws -> Void) {
            self.name = name
            self.window = window
            self.check = check
        }

        package var description: String { name }

        /// Checks the case on a belt of its own.
        ///
        /// - Parameter open: Makes a fresh, empty belt that keeps so many jobs per lane.
        package func run(_ open: (_ window: Int) async throws -> any ReadyQueue) async throws {
            let harness = QueueHarness(belt: try await open(window))
            try await harness.learnThatTheRecordIsEmpty()
            try await check(harness)
        }
    }
}

/// What a case found to be wrong: the first thing, with its place in the contract.
package struct QueueContractFailure: Error, CustomStringConvertible {
    package let description: String
}

func expectEqual<Value: Equatable>(
    _ found: Value,
    _ wanted: Value,
    _ subject: @autoclosure () -> String = "value",
    file: String = #fileID,
    line: Int = #line
) throws {
    guard found != wanted else { return }
    let text =
        "\(subject()): found \(String(describing: found).prefix(2000)), wanted \(String(describing: wanted).prefix(2000))"
    throw QueueContractFailure(description: "\(file):\(line): \(text)")
}

func expect(
    _ condition: Bool,
    _ claim: @autoclosure () -> String,
    file: String = #fileID,
    line: Int = #line
) throws {
    guard !condition else { return }
    throw QueueContractFailure(description: "\(file):\(line): not so: \(claim())")
}
