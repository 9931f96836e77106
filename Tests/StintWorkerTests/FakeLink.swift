// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Synchronization

@testable import StintWorker

/// A coordinator in memory.
///
/// It runs on the worker's own thread, as the answers of a real one do.
final class FakeLink: WorkerLink {
    private struct State {
        var waiting: [GrantedJob] = []
        var parked: (number: Int, free: Int, continuation: CheckedContinuation<PollAnswer, Never>)?
        var polls = 0
        var heartbeats: [HeartbeatRequest] = []
        var goodbyes = 0
        var called: [WireLease] = []
        var registrations = 0
    }

    /// What was reported, in order.
    let results: AsyncStream<WorkerResult>
    private let resultSink: AsyncStream<WorkerResult>.Continuation
    /// Heartbeats as they come.
    let heartbeats: AsyncStream<HeartbeatRequest>
    private let heartbeatSink: AsyncStream<HeartbeatRequest>.Continuation
    private let lease: Milliseconds
    private let state = Mutex(State())
    private let onHeartbeat: @Sendable (Int) -> Void

    init(leaseSeconds: Double = 30, onHeartbeat: @escaping @Sendable (Int) -> Void = { _ in }) {
        lease = .seconds(leaseSeconds)
        self.onHeartbeat = onHeartbeat
        (results, resultSink) = AsyncStream.makeStream()
        (heartbeats, heartbeatSink) = AsyncStream.makeStream()
    }

    var goodbyes: Int { state.withLock { $0.goodbyes } }

    /// Makes jobs available, numbered as given.
    func submit(_ jobs: [GrantedJob]) {
        let answer = state.withLock { state -> (CheckedContinuation<PollAnswer, Never>, PollAnswer)? in
            state.waiting += jobs
            guard let parked = state.parked, parked.free > 0 else { return nil }
            state.parked = nil
            return (parked.continuation, Self.answer(&state, parked.free))
        }
        if let answer { answer.0.resume(returning: answer.1) }
    }

    /// Calls a running job off.
    func callOff(_ lease: WireLease) {
        let parked = state.withLock { state -> CheckedContinuation<PollAnswer, Never>? in
            state.called.append(lease)
            defer { state.parked = nil }
            return state.parked?.continuation
        }
        parked?.resume(returning: PollAnswer(cancel: [lease]))
    }

    private static func answer(_ state: inout State, _ free: Int) -> PollAnswer {
        let granted = Array(state.waiting.prefix(free))
        state.waiting.removeFirst(granted.count)
        return PollAnswer(jobs: granted)
    }

    // MARK: WorkerLink

    func perform(_ call: WorkerCall) async throws(CallFailure) -> WorkerAnswer {
        switch call {
        case .register:
            let number = state.withLock { state in
                state.registrations += 1
                return state.registrations
            }
            let id = WorkerID(high: 3, low: UInt64(number))
            let third = Milliseconds(lease.count / 3)
            return .registered(RegisterAnswer(workerID: id, lease: lease, heartbeat: third, poll: .seconds(20)))
        case .poll(_, let request):
            let statuses = take(request.results)
            var answer = await park(request.freeSlots)
            answer.results = statuses
            return .polled(answer)
        case .report(_, let request):
            return .reported(ResultsAnswer(results: take(request.results)))
        case .heartbeat(_, let request):
            let count = state.withLock { state in
                state.heartbeats.append(request)
                return state.heartbeats.count
            }
            heartbeatSink.yield(request)
            onHeartbeat(count)
            return .beaten(HeartbeatAnswer())
        case .goodbye:
            state.withLock { $0.goodbyes += 1 }
            unpark()
            return .saidGoodbye
        }
    }

    func shutdown() async {
        resultSink.finish()
        heartbeatSink.finish()
    }

    private func take(_ results: [WorkerResult]) -> [ReportedResult] {
        for result in results { resultSink.yield(result) }
        return results.map { ReportedResult(lease: $0.lease, status: .accepted) }
    }

    private func park(_ free: Int) async -> PollAnswer {
        unpark()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> PollAnswer? in
                    if Task.isCancelled { return PollAnswer() }
                    if free > 0, !state.waiting.isEmpty { return Self.answer(&state, free) }
                    state.polls += 1
                    state.parked = (state.polls, free, continuation)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            unpark()
        }
    }

    private func unpark() {
        let parked = state.withLock { state in
            defer { state.parked = nil }
            return state.parked
        }
        parked?.continuation.resume(returning: PollAnswer())
    }
}

extension GrantedJob {
    static func sample(_ number: UInt64, name: String = "work", payload: String = "null") -> GrantedJob {
        var job = MachineDesk.job(number)
        job.lane.name = name
        job.payload = Array(payload.utf8)
        return job
    }
}
