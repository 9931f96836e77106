// SPDX-License-Identifier: Apache-2.0

import DequeModule
import Logging
import ServiceLifecycle
import StintModel
package import StintStorage
import Synchronization

/// Why a command was not carried out, or not confirmed.
package enum RecorderError: Error, Hashable, Sendable {
    /// Too much is waiting for the record. Nothing was done; try again later.
    case overloaded
    /// The server is stopping. Nothing was done.
    case stopping
    case storage(StorageError)
}

/// Who is told of what a transaction changed, after it is flushed and before its callers are answered.
package protocol ChangeObserver: Sendable {
    func didCommit(_ batch: RecordBatch) async
}

/// Group commit: everything that arrives while one transaction is being written forms the next one.
///
/// Under load one flush carries thousands of commands; when idle a command waits for nothing.
///
/// Reports, renewals and leases (*urgent*) go before submits and have room of their own. Both waiting rooms are bounded: what
/// does not fit is refused at once. A batch that the record rejects is carried out command by command, so that only the
/// command at fault fails.
package final class Recorder: Service {
    /// Which waiting room.
    package enum Priority: Sendable {
        case urgent
        case normal
    }

    struct Request: Sendable {
        var commands: [RecordCommand]
        var weight: Int
        var continuation: CheckedContinuation<Result<[RecordAnswer], RecorderError>, Never>
    }

    struct Room: Sendable {
        var requests = Deque<Request>()
        var weight = 0
    }

    fileprivate struct State: Sendable {
        var urgent = Room()
        var normal = Room()
        var isClosed = false
        var isFailing = false
    }

    /// Jobs and reports in one transaction: long enough to share the flush, short enough not to keep others waiting.
    static let batchWeightMax = 4096

    private let store: any JobStore
    private let observer: any ChangeObserver
    private let environment: ServiceEnvironment
    private let settings: CoordinatorSettings
    private let state = Mutex(State())
    private let signal = Signal()
    private let telemetry: RecorderTelemetry

    package init(
        store: any JobStore,
        observer: any ChangeObserver,
        settings: CoordinatorSettings,
        environment: ServiceEnvironment,
        telemetry: RecorderTelemetry
    ) {
        self.store = store
        self.observer = observer
        self.settings = settings
        self.environment = environment
        self.telemetry = telemetry
    }

    /// Carries out one command; returns when it is flushed.
    package func perform(
        _ command: RecordCommand,
        _ priority: Priority = .normal
    ) async throws(RecorderError) -> RecordAnswer {
        let answers = try await perform([command], priority)
        guard let answer = answers.first else { throw .storage(.corrupt("a command without an answer")) }
        return answer
    }

    /// Carries out commands in order in one transaction, which others may share; returns when it is flushed.
    package func perform(
        _ commands: [RecordCommand],
        _ priority: Priority = .normal
    ) async throws(RecorderError) -> [RecordAnswer] {
        let weight = commands.reduce(0) { $0 + $1.weight }
        let result: Result<[RecordAnswer], RecorderError> = await withCheckedContinuation { continuation in
            let request = Request(commands: commands, weight: weight, continuation: continuation)
            if let refusal = admit(request, priority) {
                continuation.resume(returning: .failure(refusal))
            } else {
                signal.raise()
            }
        }
        return try result.get()
    }

    private func admit(_ request: Request, _ priority: Priority) -> RecorderError? {
        state.withLock { state in
            guard !state.isClosed else { return .stopping }
            switch priority {
            case .urgent:
                guard state.urgent.weight <= settings.pendingReportsMax else { return .overloaded }
                state.urgent.add(request)
            case .normal:
                guard state.normal.weight <= settings.pendingSubmitsMax else { return .overloaded }
                state.normal.add(request)
            }
            return nil
        }
    }

    /// Writes until ``close()``; not ended by cancellation, because callers wait for answers.
    package func run() async throws {
        await withGracefulShutdownHandler {
            while let batch = await nextBatch() { await write(batch) }
        } onGracefulShutdown: {
            self.close()
        }
        refuseRest()
        await store.close()
    }

    /// After a cancellation something may still wait: its senders must not wait for ever.
    private func refuseRest() {
        let rest = state.withLock { state in
            state.isClosed = true
            defer {
                state.urgent = Room()
                state.normal = Room()
            }
            return Array(state.urgent.requests) + Array(state.normal.requests)
        }
        for request in rest { request.continuation.resume(returning: .failure(.stopping)) }
    }

    /// Takes nothing more; what waits is still written.
    package func close() {
        state.withLock { $0.isClosed = true }
        signal.raise()
    }

    private func nextBatch() async -> [Request]? {
        while true {
            let (batch, isClosed) = state.withLock { ($0.takeBatch(), $0.isClosed) }
            if !batch.isEmpty { return batch }
            if isClosed || Task.isCancelled { return nil }
            await signal.wait()
        }
    }

    private func write(_ requests: [Request]) async {
        let start = environment.time.now()
        do throws(StorageError) {
            let batch = try await store.perform(requests.flatMap(\.commands))
            noteSuccess()
            telemetry.committed(commands: batch.answers.count, nanoseconds: environment.time.now() - start)
            await observer.didCommit(batch)
            var next = 0
            for request in requests {
                let answers = Array(batch.answers[next..<next + request.commands.count])
                next += request.commands.count
                request.continuation.resume(returning: .success(answers))
            }
        } catch {
            await fail(requests, error)
        }
    }

    /// One line when an outage begins and one when it ends.
    private func noteFailure(_ error: StorageError) {
        let isFirst = state.withLock { state in
            defer { state.isFailing = true }
            return !state.isFailing
        }
        if isFirst { environment.logger.error("the record takes no writes", metadata: ["error": "\(error)"]) }
    }

    private func noteSuccess() {
        let wasFailing = state.withLock { state in
            defer { state.isFailing = false }
            return state.isFailing
        }
        if wasFailing { environment.logger.notice("the record takes writes again") }
    }

    private func fail(_ requests: [Request], _ error: StorageError) async {
        if case .rejected = error, requests.count > 1 {
            for request in requests { await write([request]) }
            return
        }
        telemetry.failed(error)
        noteFailure(error)
        for request in requests { request.continuation.resume(returning: .failure(.storage(error))) }
    }
}

extension Recorder.Room {
    mutating func add(_ request: Recorder.Request) {
        requests.append(request)
        weight += request.weight
    }

    mutating func take(weightMax: Int, into batch: inout [Recorder.Request]) -> Int {
        var taken = 0
        while let first = requests.first, taken == 0 || taken + first.weight <= weightMax, taken < weightMax {
            requests.removeFirst()
            taken += first.weight
            batch.append(first)
        }
        weight -= taken
        return taken
    }
}

extension Recorder.State {
    /// Urgent ones first, but at least a quarter of a full batch is left to the others.
    fileprivate mutating func takeBatch() -> [Recorder.Request] {
        var batch: [Recorder.Request] = []
        let all = Recorder.batchWeightMax
        let urgentMax = normal.requests.isEmpty ? all : all * 3 / 4
        let urgentTaken = urgent.take(weightMax: urgentMax, into: &batch)
        if !normal.requests.isEmpty { _ = normal.take(weightMax: max(1, all - urgentTaken), into: &batch) }
        return batch
    }
}

extension RecordCommand {
    /// How much of a transaction it takes, in jobs.
    var weight: Int {
        switch self {
        case .submit(let submission): max(1, submission.jobs.count)
        case .lease(let request): max(1, request.grants.count)
        case .report(let request): max(1, request.reports.count)
        case .release(_, let tokens, _): max(1, tokens.count)
        default: 1
        }
    }
}
