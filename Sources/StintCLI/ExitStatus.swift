// SPDX-License-Identifier: Apache-2.0

/// What the process says to its caller when it ends.
package enum ExitStatus: Int32, Sendable {
    case done = 0
    case failed = 1
    case wrongUsage = 2
    case notFound = 3
    /// The server said no.
    case refused = 4
    case notReachable = 5
}

/// Why a command could not do what it was asked to.
package struct CommandFailure: Error, CustomStringConvertible, Sendable {
    package var status: ExitStatus
    /// What was wrong and where.
    package var message: String
    /// What to do about it.
    package var advice: String?

    package init(_ status: ExitStatus, _ message: String, advice: String? = nil) {
        self.status = status
        self.message = message
        self.advice = advice
    }

    package var description: String { message }
}
