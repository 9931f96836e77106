// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// Carries out one batch of commands in one transaction, on the thread of its connection.
///
/// Statements are gathered and sent together as late as can be. A batch of hot commands only (submit, lease, renew, completed reports)
/// is known as a whole before anything must be read: it goes out with its `BEGIN` and `COMMIT` in one round trip. Everything else
/// sends what is gathered, reads and locks what it needs, decides, and gathers its writes.
final class BatchRun {
    /// A statement that waits to be sent, and what is done with its result.
    private typealias Step = (statement: PostgresStatement, then: (PostgresResult) throws(PostgresError) -> Void)

    struct CountKey: Hashable {
        var queue: String
        var state: JobState
    }

    let connection: PostgresConnection
    let rules: EndingRules
    let clock: PostgresClock.Reading
    let commands: [RecordCommand]

    /// The record's clock; known once something was sent.
    private(set) var now = Timestamp(milliseconds: 0)
    private var steps: [Step] = []
    /// What is left to do once the results are there: answers that need all of them.
    private var finishers: [() -> Void] = []
    /// Reports that met no running job, whose status must be read.
    var unmatched: [UnmatchedReport] = []
    /// Leases that were refused, whose reason must be read.
    var refusals: [RefusedGrant] = []

    /// By command.
    var reportAnswers: [Int: ReportAnswer] = [:]
    var leaseAnswers: [Int: LeaseAnswer] = [:]
    private var answers: [RecordAnswer?]
    private var changes: [[JobChange]]
    private var notices: [[RecordNotice]]
    private var counts: [CountKey: Int64] = [:]

    init(
        _ commands: [RecordCommand],
        on connection: PostgresConnection,
        rules: @escaping EndingRules,
        clock: PostgresClock.Reading
    ) {
        self.commands = commands
        self.connection = connection
        self.rules = rules
        self.clock = clock
        answers = Array(repeating: nil, count: commands.count)
        changes = Array(repeating: [], count: commands.count)
        notices = Array(repeating: [], count: commands.count)
    }

    func run() throws(PostgresError) -> RecordBatch {
        enqueue(.begin)
        enqueue(clocked(HotSQL.now)) { result in self.now = Timestamp(milliseconds: result.first?.integer(0) ?? 0) }
        var wave = Wave()
        for (index, command) in commands.enumerated() {
            if try gather(command, index, into: &wave) { continue }
            try send(&wave)
            try settle()
            try carryOut(command, index)
        }
        try send(&wave)
        writeCounts()
        enqueue(.commit)
        try flush()
        do throws(PostgresError) {
            try settle()
        } catch {
            // It is committed; only what to say of it is not known.
            throw PostgresError(.unknownOutcome, error.message, sqlState: error.sqlState)
        }
        return try assemble()
    }

    private func assemble() throws(PostgresError) -> RecordBatch {
        let found = answers.compactMap { $0 }
        guard found.count == commands.count else {
            throw PostgresError(.unexpected, "a command without an answer")
        }
        return RecordBatch(answers: found, changes: changes.flatMap { $0 }, notices: notices.flatMap { $0 })
    }

    // MARK: Sending

    func enqueue(
        _ statement: PostgresStatement,
        then: @escaping (PostgresResult) throws(PostgresError) -> Void = { _ in }
    ) {
        steps.append((statement, then))
    }

    /// A statement that takes the clock before everything else.
    func clocked(_ sql: String, _ fill: (inout PostgresParameters) -> Void = { _ in }) -> PostgresStatement {
        PostgresStatement(sql) { parameters in
            parameters.add(clock.given?.milliseconds)
            parameters.add(clock.floor.milliseconds)
            fill(&parameters)
        }
    }

    /// Done when the statements gathered so far have their results.
    func enqueueConclusion(_ conclusion: @escaping () -> Void) {
        guard let last = steps.popLast() else { return conclusion() }
        steps.append(
            (
                last.statement,
                { result throws(PostgresError) in
                    try last.then(result)
                    conclusion()
                }
            )
        )
    }

    /// Done when the next ``settle()`` has all that answers need.
    func finish(_ finisher: @escaping () -> Void) {
        finishers.append(finisher)
    }

    /// Sends everything gathered.
    func flush() throws(PostgresError) {
        guard !steps.isEmpty else { return }
        let sent = steps
        steps = []
        let results = try connection.run(sent.map(\.statement))
        for (step, result) in zip(sent, results) { try step.then(result) }
    }

    /// Sends everything gathered, and this, whose result is wanted now.
    func read(_ statement: PostgresStatement) throws(PostgresError) -> PostgresResult {
        var found: PostgresResult?
        enqueue(statement) { found = $0 }
        try flush()
        guard let found else { throw PostgresError(.unexpected, "a statement without a result") }
        return found
    }

    /// Sends everything gathered and completes the answers so far.
    func settle() throws(PostgresError) {
        try flush()
        try explainUnmatched()
        try explainRefusals()
        for finisher in finishers { finisher() }
        finishers = []
    }

    // MARK: What came of it

    func answer(_ index: Int, _ answer: RecordAnswer) {
        answers[index] = answer
    }

    func note(_ notice: RecordNotice, _ index: Int) {
        notices[index].append(notice)
    }

    /// - Parameter isCounted: Whether the statement has entered the change into the ledger of counts by itself.
    func note(_ change: JobChange, _ index: Int, isCounted: Bool = false) {
        changes[index].append(change)
        guard !isCounted, change.from != change.to else { return }
        if let from = change.from { counts[CountKey(queue: change.lane.queue, state: from), default: 0] -= 1 }
        if let to = change.to { counts[CountKey(queue: change.lane.queue, state: to), default: 0] += 1 }
    }

    private func writeCounts() {
        let entries = counts.filter { $0.value != 0 }
        counts = [:]
        guard !entries.isEmpty else { return }
        enqueue(
            PostgresStatement(ColdSQL.count) { parameters in
                parameters.add(entries.map { $0.key.queue as String? })
                parameters.add(entries.map { Int16($0.key.state.rawValue) as Int16? })
                parameters.add(entries.map { $0.value as Int64? })
            }
        )
    }
}
