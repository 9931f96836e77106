// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@testable import StintWorker

/// Plays driver and coordinator to a machine, with time that only a test moves.
final class MachineDesk {
    static let millisecond: Int64 = 1_000_000
    static let second: Int64 = 1_000_000_000

    var machine: WorkerMachine
    var now: Int64 = 1_000 * second
    /// What the machine wanted since it was last asked for it.
    private(set) var actions: [WorkerAction] = []
    private(set) var wakeAt: Int64?

    init(concurrency: Int = 4, _ change: (inout WorkerMachineSettings) -> Void = { _ in }) {
        var settings = WorkerMachineSettings()
        settings.concurrency = concurrency
        settings.seed = 7
        change(&settings)
        machine = WorkerMachine(settings)
    }

    /// A registered worker whose first poll is under way.
    static func live(
        concurrency: Int = 4,
        lease: Double = 30,
        _ change: (inout WorkerMachineSettings) -> Void = { _ in }
    ) throws -> (desk: MachineDesk, poll: CallID) {
        let desk = MachineDesk(concurrency: concurrency, change)
        try desk.register(lease: lease)
        let poll = try #require(desk.takePoll())
        return (desk, poll.call)
    }

    func register(lease: Double = 30, session: UInt64 = 1) throws {
        turn()
        let call = try #require(takeCall { if case .register = $0 { true } else { nil } })
        machine.answered(
            call.call,
            .registered(
                RegisterAnswer(
                    workerID: WorkerID(high: 0, low: session),
                    lease: .seconds(lease),
                    heartbeat: .seconds(lease / 3),
                    poll: .seconds(20)
                )
            ),
            now: now
        )
        turn()
    }

    // MARK: Time

    func turn() {
        let turn = machine.next(now: now)
        actions += turn.actions
        wakeAt = turn.wakeAt
    }

    func advance(_ nanoseconds: Int64) {
        now += nanoseconds
        turn()
    }

    /// To where the machine asked to be woken.
    func advanceToWake() throws {
        let wakeAt = try #require(wakeAt)
        now = max(now, wakeAt)
        turn()
    }

    // MARK: What the machine wants

    func takeCall<Found>(_ find: (WorkerCall) -> Found?) -> (call: CallID, found: Found)? {
        for (index, action) in actions.enumerated() {
            guard case .call(let id, let call) = action, let found = find(call) else { continue }
            actions.remove(at: index)
            return (id, found)
        }
        return nil
    }

    func takePoll() -> (call: CallID, request: PollRequest)? {
        takeCall { if case .poll(_, let request) = $0 { request } else { nil } }.map { ($0.call, $0.found) }
    }

    func takeReport() -> (call: CallID, results: [WorkerResult])? {
        takeCall { if case .report(_, let request) = $0 { request.results } else { nil } }.map { ($0.call, $0.found) }
    }

    func takeHeartbeat() -> (call: CallID, running: [HeartbeatRequest.Running])? {
        takeCall { if case .heartbeat(_, let request) = $0 { request.running } else { nil } }
            .map { ($0.call, $0.found) }
    }

    func takeGoodbye() -> CallID? {
        takeCall { if case .goodbye = $0 { true } else { nil } }?.call
    }

    func takeRegister() -> CallID? {
        takeCall { if case .register = $0 { true } else { nil } }?.call
    }

    func take<Found>(_ find: (WorkerAction) -> Found?) -> Found? {
        for (index, action) in actions.enumerated() {
            if let found = find(action) {
                actions.remove(at: index)
                return found
            }
        }
        return nil
    }

    func takeStart() -> [WireLease]? {
        take { if case .start(let jobs) = $0 { jobs.map(\.lease) } else { nil } }
    }

    func takeCancel() -> (leases: [WireLease], reason: StopReason)? {
        take { if case .cancel(let leases, let reason) = $0 { (leases, reason) } else { nil } }
    }

    func takeEnd() -> WorkerEnd? {
        take { if case .end(let end) = $0 { end } else { nil } }
    }

    func takeNotes() -> [WorkerNote] {
        var notes: [WorkerNote] = []
        while let note = take({ if case .note(let note) = $0 { note } else { nil } }) { notes.append(note) }
        return notes
    }

    // MARK: What happens to it

    func answer(_ poll: CallID, _ answer: PollAnswer = PollAnswer()) {
        machine.answered(poll, .polled(answer), now: now)
        turn()
    }

    /// Answers the poll with jobs; gives their leases.
    ///
    /// They have been started.
    func grant(_ poll: CallID, _ numbers: [UInt64], results: [ReportedResult] = []) throws -> [WireLease] {
        let jobs = numbers.map(Self.job)
        answer(poll, PollAnswer(jobs: jobs, results: results))
        #expect(takeStart() == jobs.map(\.lease))
        return jobs.map(\.lease)
    }

    func fail(_ call: CallID, _ kind: CallFailure.Kind = .passing, retryAfter: Double? = nil) {
        machine.failed(call, CallFailure(kind, "broken", retryAfter: retryAfter.map(Milliseconds.seconds)), now: now)
        turn()
    }

    func accept(_ report: (call: CallID, results: [WorkerResult])) {
        let statuses = report.results.map { ReportedResult(lease: $0.lease, status: .accepted) }
        machine.answered(report.call, .reported(ResultsAnswer(results: statuses)), now: now)
        turn()
    }

    func beat(_ call: CallID, _ answer: HeartbeatAnswer = HeartbeatAnswer()) {
        machine.answered(call, .beaten(answer), now: now)
        turn()
    }

    func complete(_ lease: WireLease) {
        end(lease, .said(.completed(result: nil)))
    }

    /// As a driver does: the machine says whether a turn is due.
    func end(_ lease: WireLease, _ end: HandlerEnd) {
        if machine.ended(lease, end, now: now) { turn() }
    }

    // MARK: Values

    static func job(_ number: UInt64) -> GrantedJob {
        let id = JobID(high: 1, low: number)
        return GrantedJob(
            lease: lease(number),
            id: id,
            lane: Lane(queue: "default", name: "work"),
            payload: Array("null".utf8),
            attempt: 1,
            maxAttempts: 12,
            timeout: .seconds(600),
            createdAt: Timestamp(milliseconds: 0)
        )
    }

    static func lease(_ number: UInt64) -> WireLease {
        WireLease(LeaseToken(jobID: JobID(high: 1, low: number), attempt: 1, nonce: number))
    }

    static func accepted(_ leases: [WireLease]) -> [ReportedResult] {
        leases.map { ReportedResult(lease: $0, status: .accepted) }
    }
}

extension WorkerResult {
    static func completed(_ number: UInt64) -> WorkerResult {
        of(number, .completed(result: nil))
    }

    static func of(_ number: UInt64, _ ending: Ending) -> WorkerResult {
        WorkerResult(lease: MachineDesk.lease(number), jobID: JobID(high: 1, low: number), ending: ending)
    }
}
