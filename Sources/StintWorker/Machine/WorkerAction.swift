// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintWire

/// Names one call to a coordinator.
package typealias CallID = UInt64

/// What the driver of a ``WorkerMachine`` must do.
package enum WorkerAction: Hashable, Sendable {
    /// Make this call and tell the machine what came of it.
    case call(CallID, WorkerCall)
    /// Start the handlers of these jobs and tell the machine when each has ended.
    case start([GrantedJob])
    /// Cancel the handlers of these jobs.
    case cancel([WireLease], StopReason)
    /// Something a person may want to read in the log.
    case note(WorkerNote)
    /// Nothing is left to do. Comes once, last.
    case end(WorkerEnd)
}

/// A call to a coordinator.
package enum WorkerCall: Hashable, Sendable {
    case register
    case poll(WorkerID, PollRequest)
    case report(WorkerID, ResultsRequest)
    case heartbeat(WorkerID, HeartbeatRequest)
    case goodbye(WorkerID)
}

/// The answer to a ``WorkerCall``.
package enum WorkerAnswer: Hashable, Sendable {
    case registered(RegisterAnswer)
    case polled(PollAnswer)
    case reported(ResultsAnswer)
    case beaten(HeartbeatAnswer)
    case saidGoodbye
}

/// Why a call has no answer.
package struct CallFailure: Hashable, Sendable, Error {
    package enum Kind: Hashable, Sendable {
        /// No answer, an answer that makes no sense, or one that asks to come again: the same call later may succeed.
        case passing
        /// The coordinator knows no such worker session.
        case sessionLost
        /// The coordinator does not take this request, and will not take it later.
        case refused
        /// The token is wrong.
        case unauthorized
    }

    package var kind: Kind
    /// For the log; safe to show to anyone.
    package var message: String
    /// What `Retry-After` said.
    package var retryAfter: Milliseconds?

    package init(_ kind: Kind, _ message: String, retryAfter: Milliseconds? = nil) {
        self.kind = kind
        self.message = message
        self.retryAfter = retryAfter
    }
}

/// Why a handler was told to stop.
package enum StopReason: Hashable, Sendable {
    /// The job was called off.
    case calledOff
    /// The lease is another's: what the handler says is of no interest any more.
    case leaseLost
    /// The session could not be renewed in time: the lease may be another's by now.
    case leaseRanOut
    /// It ran longer than the server lets it.
    case timedOut
    /// The worker stops.
    case draining
}

/// How a handler came to its end.
package enum HandlerEnd: Hashable, Sendable {
    /// It said what is to be reported.
    case said(Ending)
    /// It threw an error that says nothing of how to go on: the cause may be that it was told to stop.
    case threw(JobError)
}

/// What is worth a line in the log.
package enum WorkerNote: Hashable, Sendable {
    case registered(WorkerID)
    /// The first failure after a success; silence until ``reachableAgain``.
    case unreachable(String)
    case reachableAgain
    case sessionLost(WorkerID, running: Int)
    case leaseRanOut(running: Int)
    case drainBegan(byServer: Bool, running: Int)
    /// The server did not take these reports.
    case reportsLost([WireLease])
    /// A report that the server refuses to read is given up.
    case reportRefused(WireLease, String)
    case goodbyeFailed(String)
}

/// How a worker came to its end.
package enum WorkerEnd: Hashable, Sendable {
    /// Drained; this many handlers had to be left to themselves, and this many results found no coordinator.
    case drained(abandoned: Int, unreported: Int)
    /// The first registration was refused for good.
    case refused(String)
}

/// What the driver has to do now, and when it must ask again at the latest.
package struct WorkerTurn: Hashable, Sendable {
    package var actions: [WorkerAction] = []
    /// Nil: only an event changes anything.
    package var wakeAt: Int64?

    mutating func wake(at time: Int64) {
        wakeAt = min(wakeAt ?? time, time)
    }
}
