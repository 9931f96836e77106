// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// The lanes a worker serves, ready to be asked often.
package struct LaneSet: Sendable {
    package let capabilities: Capabilities
    private let queues: Set<String>
    /// Nil for every name.
    private let names: Set<String>?

    package init(_ capabilities: Capabilities) {
        self.capabilities = capabilities
        queues = Set(capabilities.queues)
        names = capabilities.servesEveryName ? nil : Set(capabilities.jobNames)
    }

    package func contains(_ lane: Lane) -> Bool {
        queues.contains(lane.queue) && (names?.contains(lane.name) ?? true)
    }
}
