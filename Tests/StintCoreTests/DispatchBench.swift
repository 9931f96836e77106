// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel

extension Lane {
    static let work = Lane(queue: "default", name: "work")
    static let mail = Lane(queue: "default", name: "mail")
}

/// The n-th worker session.
func worker(_ number: Int) -> WorkerID { WorkerID(high: 0, low: UInt64(number)) }

/// The n-th job, in serving order.
func job(_ number: Int, _ lane: Lane = .work) -> ReadyJob {
    ReadyJob(lane: lane, order: ServingOrder(key: Int64(number), id: JobID(high: 1, low: UInt64(number))))
}

/// The lease that a settled grant of the n-th job gives.
func token(_ number: Int, attempt: Int = 1) -> LeaseToken {
    LeaseToken(jobID: JobID(high: 1, low: UInt64(number)), attempt: attempt, nonce: 7)
}

/// A dispatch machine with short words.
///
/// Polls are numbered from 1 in the order they come.
struct DispatchBench {
    var machine = DispatchMachine()
    private(set) var lastPoll: DispatchMachine.PollID = 0

    @discardableResult
    mutating func park(
        _ number: Int,
        free: Int = 1,
        names: [String] = ["*"],
        queues: [String] = ["default"],
        deadline: Int64 = 1000,
        cancelled: [LeaseToken] = [],
        isDraining: Bool = false
    ) -> [DispatchMachine.Action] {
        lastPoll += 1
        return machine.park(
            DispatchMachine.Poll(
                id: lastPoll,
                session: worker(number),
                capabilities: Capabilities(queues: queues, jobNames: names),
                freeSlots: free,
                deadline: deadline,
                cancelled: cancelled,
                isDraining: isDraining
            )
        )
    }

    /// Assigns one job and settles its lease; the session that got it, nil when nobody did.
    mutating func give(_ job: ReadyJob) -> WorkerID? {
        for case .lease(let session, let jobs) in machine.assign([job]) {
            let tokens = jobs.map { LeaseToken(jobID: $0.id, attempt: 1, nonce: 7) }
            _ = machine.leaseSettled(session: session, granted: tokens, now: 0)
            return session
        }
        return nil
    }
}
