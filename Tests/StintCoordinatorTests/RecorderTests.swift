// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintMemoryStore
import StintModel
import StintStorage
import StintTelemetry
import StintTestKit
import Synchronization
import Testing

@testable import StintCoordinator

/// A recorder on a record that fails or stands still on command.
private final class RecorderBench: ChangeObserver {
    let store: FaultyJobStore
    let log = LogRecorder()
    private let commits = Mutex<[Int]>([])
    private let settings: CoordinatorSettings

    init(_ change: (inout CoordinatorSettings) -> Void = { _ in }) {
        store = FaultyJobStore(MemoryJobStore(rules: EndingDecision.rules, now: { ManualTime.epoch }))
        var settings = CoordinatorSettings()
        change(&settings)
        self.settings = settings
    }

    func recorder() -> Recorder {
        Recorder(
            store: store,
            observer: self,
            settings: settings,
            environment: ServiceEnvironment(logger: log.logger, time: ManualTime()),
            telemetry: RecorderTelemetry(MetricRegistry(), backend: "memory")
        )
    }

    func didCommit(_ batch: RecordBatch) async {
        commits.withLock { $0.append(batch.answers.count) }
    }

    /// Answers per transaction, as the observer heard of them.
    var committed: [Int] { commits.withLock { $0 } }

    /// The commands of each batch in one word each.
    var batches: [[String]] { store.batches.map { $0.map(Self.word) } }

    private static func word(_ command: RecordCommand) -> String {
        switch command {
        case .cancel(let id): "cancel \(id.low)"
        case .release(let id, let tokens, _): "release \(id.low)×\(tokens.count)"
        case .submit(let submission): "submit \(submission.jobs.count)"
        default: "other"
        }
    }
}

private typealias Outcome = Result<[RecordAnswer], RecorderError>

extension RecordAnswer {
    fileprivate var isNotFound: Bool { if case .notFound = self { true } else { false } }
}

extension Recorder {
    fileprivate func outcome(_ commands: [RecordCommand], _ priority: Priority = .normal) async -> Outcome {
        do throws(RecorderError) {
            return .success(try await perform(commands, priority))
        } catch {
            return .failure(error)
        }
    }

    fileprivate func error(_ command: RecordCommand, _ priority: Priority = .normal) async -> RecorderError? {
        guard case .failure(let error) = await outcome([command], priority) else { return nil }
        return error
    }
}

@Suite("Group commit")
struct RecorderTests {
    /// A cheap command that can be told from others.
    private static func cancel(_ number: UInt64) -> RecordCommand { .cancel(JobID(high: 0, low: number)) }

    /// A command that weighs as much as it has tokens.
    private static func release(_ number: UInt64, weight: Int) -> RecordCommand {
        let token = LeaseToken(jobID: JobID(high: 0, low: 1), attempt: 1, nonce: 1)
        return .release(WorkerID(high: 0, low: number), Array(repeating: token, count: weight), random: 0)
    }

    /// While the first command is being written, `waiting` come in in order; then the record goes on.
    private func whileWriting(
        _ bench: RecorderBench,
        _ waiting: [(RecordCommand, Recorder.Priority)],
        before release: (Recorder) async throws -> Void = { _ in }
    ) async throws -> [RecorderError?] {
        let recorder = bench.recorder()
        bench.store.block()
        async let run: Void = recorder.run()
        let errors = try await withThrowingTaskGroup(of: (Int, RecorderError?).self) { group in
            group.addTask { (-1, await recorder.error(Self.cancel(0))) }
            try await until("the first batch is being written") { bench.store.waiting == 1 }
            for (index, (command, priority)) in waiting.enumerated() {
                group.addImmediateTask { (index, await recorder.error(command, priority)) }
            }
            try await release(recorder)
            bench.store.release()
            var errors = [RecorderError?](repeating: nil, count: waiting.count)
            for try await (index, error) in group where index >= 0 { errors[index] = error }
            return errors
        }
        recorder.close()
        try await run
        return errors
    }

    @Test func anIdleCommandIsABatchOfItsOwn() async throws {
        let bench = RecorderBench()
        let recorder = bench.recorder()
        try await running([recorder]) {
            for number in 1...3 {
                let answer = try await recorder.perform(Self.cancel(UInt64(number)))
                #expect(answer.isNotFound)
            }
        }
        #expect(bench.batches == [["cancel 1"], ["cancel 2"], ["cancel 3"]])
        #expect(bench.committed == [1, 1, 1])
    }

    @Test func whatComesWhileABatchIsWrittenFormsTheNext() async throws {
        let bench = RecorderBench()
        let errors = try await whileWriting(bench, (1...100).map { (Self.cancel($0), .normal) })
        #expect(bench.batches.map(\.count) == [1, 100])
        #expect(bench.batches.last == (1...100).map { "cancel \($0)" }, "in the order they came")
        #expect(errors.allSatisfy { $0 == nil })
    }

    @Test func everyCallerGetsItsOwnAnswers() async throws {
        let bench = RecorderBench()
        let recorder = bench.recorder()
        try await running([recorder]) {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for count in 1...20 {
                    group.addTask {
                        let jobs = (0..<count).map {
                            NewJob(id: JobID(high: UInt64(count), low: UInt64($0)), lane: .work, payload: [])
                        }
                        let commands: [RecordCommand] = [Self.cancel(7), .submit(Submission(jobs: jobs))]
                        let answers = try await recorder.perform(commands)
                        guard answers.count == 2, case .notFound = answers[0], case .submitted(let receipt) = answers[1]
                        else { return false }
                        return receipt.ids == jobs.map(\.id)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func urgentOnesGoBeforeTheOthers() async throws {
        let bench = RecorderBench()
        _ = try await whileWriting(
            bench,
            [
                (Self.cancel(1), .normal), (Self.cancel(2), .urgent), (Self.cancel(3), .normal),
                (Self.cancel(4), .urgent),
            ]
        )
        #expect(bench.batches.last == ["cancel 2", "cancel 4", "cancel 1", "cancel 3"])
    }

    @Test func aQuarterOfAFullBatchIsLeftToTheOthers() async throws {
        let bench = RecorderBench()
        let urgent = (1...10).map { (Self.release($0, weight: 512), Recorder.Priority.urgent) }
        let normal = (11...14).map { (Self.release($0, weight: 512), Recorder.Priority.normal) }
        _ = try await whileWriting(bench, urgent + normal)
        #expect(bench.batches[1] == [1, 2, 3, 4, 5, 6, 11, 12].map { "release \($0)×512" })
        #expect(bench.batches[2] == [7, 8, 9, 10, 13, 14].map { "release \($0)×512" })
        #expect(bench.batches.count == 3)
    }

    @Test func urgentOnesAloneMayFillABatch() async throws {
        let bench = RecorderBench()
        _ = try await whileWriting(bench, (1...9).map { (Self.release($0, weight: 512), .urgent) })
        #expect(bench.batches.map(\.count) == [1, 8, 1])
    }

    @Test func aCommandHeavierThanABatchIsStillWritten() async throws {
        let bench = RecorderBench()
        _ = try await whileWriting(bench, [(Self.release(1, weight: 10_000), .normal), (Self.cancel(2), .normal)])
        #expect(bench.batches == [["cancel 0"], ["release 1×10000"], ["cancel 2"]])
    }

    @Test func whatDoesNotFitIsRefusedAtOnceAndUrgentOnesHaveRoomOfTheirOwn() async throws {
        let bench = RecorderBench {
            $0.pendingSubmitsMax = 10
            $0.pendingReportsMax = 10
        }
        let errors = try await whileWriting(
            bench,
            [
                (Self.release(1, weight: 11), .normal), (Self.cancel(2), .normal), (Self.cancel(3), .urgent),
                (Self.release(4, weight: 10), .urgent), (Self.cancel(5), .urgent),
            ]
        )
        #expect(errors == [nil, .overloaded, nil, nil, .overloaded])
        #expect(bench.batches.last == ["cancel 3", "release 4×10", "release 1×11"])
    }

    @Test func thereIsRoomAgainWhenTheBacklogIsWritten() async throws {
        let bench = RecorderBench { $0.pendingSubmitsMax = 0 }
        let recorder = bench.recorder()
        try await running([recorder]) {
            for _ in 1...5 { #expect(await recorder.error(Self.cancel(1)) == nil) }
        }
    }

    @Test func aRejectedCommandFailsAlone() async throws {
        let bench = RecorderBench()
        bench.store.apply { commands in
            let isBad = commands.contains { if case .cancel(JobID(high: 0, low: 2)) = $0 { true } else { false } }
            return isBad ? .fails(.rejected("for a test")) : nil
        }
        let errors = try await whileWriting(bench, (1...4).map { (Self.cancel($0), .normal) })
        #expect(errors == [nil, .storage(.rejected("for a test")), nil, nil])
        #expect(bench.batches.map(\.count) == [1, 4, 1, 1, 1, 1])
    }

    @Test(
        arguments: [.unavailable("away"), .corrupt("broken"), .unknownOutcome("who knows"), .closed] as [StorageError]
    )
    func aFailureReachesEveryCallerAsItIs(_ error: StorageError) async throws {
        let bench = RecorderBench()
        bench.store.apply { $0.count > 1 ? .fails(error) : nil }
        let errors = try await whileWriting(bench, (1...3).map { (Self.cancel($0), .normal) })
        #expect(errors == [.storage(error), .storage(error), .storage(error)])
        #expect(bench.committed == [1], "nobody hears of what was not confirmed")
    }

    @Test func aLostAnswerIsUnknownAndNotRepeated() async throws {
        let bench = RecorderBench()
        bench.store.apply { _ in .losesAnswer }
        let recorder = bench.recorder()
        try await running([recorder]) {
            #expect(await recorder.error(Self.cancel(1)) == .storage(.unknownOutcome("the answer was lost for a test")))
        }
        #expect(bench.batches == [["cancel 1"]])
    }

    @Test func closingWritesWhatWaitsAndRefusesWhatComes() async throws {
        let bench = RecorderBench()
        let errors = try await whileWriting(bench, (1...3).map { (Self.cancel($0), .normal) }) { recorder in
            recorder.close()
            #expect(await recorder.error(Self.cancel(9)) == .stopping)
            #expect(await recorder.error(Self.cancel(9), .urgent) == .stopping)
        }
        #expect(errors == [nil, nil, nil])
        #expect(bench.batches == [["cancel 0"], ["cancel 1", "cancel 2", "cancel 3"]])
        #expect(bench.store.isClosed, "the record closes last")
    }

    @Test func afterACancellationNobodyWaitsForEver() async throws {
        let bench = RecorderBench()
        let recorder = bench.recorder()
        let run = Task { try await recorder.run() }
        #expect(await recorder.error(Self.cancel(1)) == nil)
        run.cancel()
        try await run.value
        #expect(await recorder.error(Self.cancel(2)) == .stopping)
        #expect(bench.store.isClosed)
    }

    @Test func anOutageOfTheRecordIsOneLogLine() async throws {
        let bench = RecorderBench()
        let recorder = bench.recorder()
        try await running([recorder]) {
            bench.store.goAway()
            for number in 1...20 { _ = await recorder.error(Self.cancel(UInt64(number))) }
            bench.store.comeBack()
            #expect(await recorder.error(Self.cancel(21)) == nil)
        }
        #expect(bench.log.errors.count == 1)
    }
}
