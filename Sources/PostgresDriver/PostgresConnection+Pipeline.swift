// SPDX-License-Identifier: Apache-2.0

import CPostgreSQL
import Glibc

extension PostgresConnection {
    /// Carries out the statements in order, in one exchange with the server.
    ///
    /// Everything is sent before anything is waited for. Without a `begin` and outside an open transaction the statements are one
    /// transaction of their own. The first error ends the pipeline: what was sent behind it is skipped by the server. A transaction
    /// that was begun explicitly then waits for its rollback: see ``PostgresConnection/isInTransaction``.
    ///
    /// - Parameter milliseconds: How long each statement may take; nil: a little longer than the server allows it.
    /// - Throws: The first error. When the connection breaks while a commit is under way, `unknownOutcome`.
    package func run(
        _ statements: [PostgresStatement],
        within milliseconds: Int? = nil
    ) throws(PostgresError) -> [PostgresResult] {
        guard !isBroken else { throw PostgresError(.unreachable, "the connection is broken") }
        guard !statements.isEmpty else { return [] }
        var pipeline = Pipeline(statements: statements, isInTransaction: isInTransaction)
        // What outlives no transaction is set anew in each.
        if configuration.isPooled, !isInTransaction { pipeline.insertSettings(configuration.sessionSettings) }
        do throws(PostgresError) {
            try send(&pipeline)
            let wait = milliseconds ?? configuration.statementTimeoutMilliseconds + Self.marginMilliseconds
            let results = try receive(&pipeline, wait)
            return pipeline.hasSettings ? pipeline.withoutSettings(results) : results
        } catch {
            if error.kind != .refused { isBroken = true }
            throw error
        }
    }

    package func run(_ statement: PostgresStatement) throws(PostgresError) -> PostgresResult {
        guard let result = try run([statement]).first else {
            throw PostgresError(.unexpected, "a statement without a result")
        }
        return result
    }

    /// Leaves an open transaction without its changes; the connection is broken if that fails.
    package func rollBack() {
        guard isInTransaction, !isBroken else { return }
        do throws(PostgresError) {
            _ = try run([.rollback])
        } catch {
            isBroken = true
        }
    }

    // MARK: Sending

    private func send(_ pipeline: inout Pipeline) throws(PostgresError) {
        for statement in pipeline.statements {
            if statement.isKept, !configuration.isPooled, let name = name(for: statement.sql, in: &pipeline) {
                if pipeline.preparing[statement.sql] == name, pipeline.announced.insert(statement.sql).inserted {
                    try check(sendPrepare(statement, as: name), pipeline)
                    pipeline.steps.append(.prepare(statement.sql))
                }
                try check(sendQuery(statement, as: name), pipeline)
            } else {
                try check(sendUnnamed(statement), pipeline)
            }
            pipeline.steps.append(.statement)
        }
        try check(PQpipelineSync(handle), pipeline)
        pipeline.isSent = true
    }

    /// The name under which the server keeps the text, or will; nil when there is no room for more.
    private func name(for sql: String, in pipeline: inout Pipeline) -> String? {
        if let name = prepared[sql] ?? pipeline.preparing[sql] { return name }
        let number = prepared.count + pipeline.preparing.count
        guard number < Self.preparedMax else { return nil }
        let name = "s\(number)"
        pipeline.preparing[sql] = name
        return name
    }

    private func sendPrepare(_ statement: PostgresStatement, as name: String) -> Int32 {
        statement.parameters.types.withUnsafeBufferPointer { types in
            PQsendPrepare(handle, name, statement.sql, Int32(types.count), types.baseAddress)
        }
    }

    private func sendQuery(_ statement: PostgresStatement, as name: String) -> Int32 {
        statement.parameters.withPointers { count, values, lengths, formats in
            PQsendQueryPrepared(handle, name, count, values, lengths, formats, 1)
        }
    }

    private func sendUnnamed(_ statement: PostgresStatement) -> Int32 {
        statement.parameters.withPointers { count, values, lengths, formats in
            statement.parameters.types.withUnsafeBufferPointer { types in
                PQsendQueryParams(handle, statement.sql, count, types.baseAddress, values, lengths, formats, 1)
            }
        }
    }

    private func check(_ isDone: Int32, _ pipeline: Pipeline) throws(PostgresError) {
        guard isDone != 1 else { return }
        throw pipeline.breakage(at: 0, lastWords())
    }

    // MARK: Receiving

    /// One result per statement.
    private func receive(_ pipeline: inout Pipeline, _ wait: Int) throws(PostgresError) -> [PostgresResult] {
        var received = Received()
        do throws(PostgresError) {
            for step in pipeline.steps { try receive(step, pipeline, wait, into: &received) }
            try receiveSync(pipeline, at: received.position, wait)
        } catch {
            // What the server said of a statement before the connection ended tells more than the end.
            isBroken = true
            throw received.failure ?? error
        }
        if let failure = received.failure { throw failure }
        guard received.results.count == pipeline.statements.count else {
            let counts = "\(received.results.count) results for \(pipeline.statements.count) statements"
            throw PostgresError(.unexpected, counts)
        }
        return received.results
    }

    private struct Received {
        var results: [PostgresResult] = []
        /// The first error.
        var failure: PostgresError?
        /// Which statement is answered next.
        var position = 0
    }

    /// Reads all results of one step; each has the whole of its time.
    private func receive(
        _ step: Pipeline.Step,
        _ pipeline: Pipeline,
        _ wait: Int,
        into received: inout Received
    ) throws(PostgresError) {
        let deadline = MonotonicClock.deadline(afterMilliseconds: wait)
        while let result = try next(pipeline, at: received.position, until: deadline) {
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                if case .prepare(let sql) = step {
                    prepared[sql] = pipeline.preparing[sql]
                    PQclear(result)
                } else {
                    received.results.append(PostgresResult(result))
                }
            case PGRES_PIPELINE_ABORTED:
                PQclear(result)
            default:
                let error = refusal(result, pipeline, at: received.position)
                PQclear(result)
                received.failure = received.failure ?? error
            }
        }
        if case .statement = step { received.position += 1 }
    }

    private func receiveSync(_ pipeline: Pipeline, at position: Int, _ wait: Int) throws(PostgresError) {
        let deadline = MonotonicClock.deadline(afterMilliseconds: wait)
        while let result = try next(pipeline, at: position, until: deadline) {
            let isSync = PQresultStatus(result) == PGRES_PIPELINE_SYNC
            PQclear(result)
            if isSync { break }
        }
        let status = PQtransactionStatus(handle)
        isInTransaction = status == PQTRANS_INTRANS || status == PQTRANS_INERROR
        if PQstatus(handle) == CONNECTION_BAD { isBroken = true }
    }

    /// The next result of the current statement, nil behind its last.
    private func next(
        _ pipeline: Pipeline,
        at position: Int,
        until deadline: Int64
    ) throws(PostgresError) -> OpaquePointer? {
        while true {
            let unsent = PQflush(handle)
            guard unsent >= 0 else { throw pipeline.breakage(at: position, lastWords()) }
            if unsent == 0, PQisBusy(handle) == 0 { return PQgetResult(handle) }
            let events = POLLIN | (unsent > 0 ? POLLOUT : 0)
            guard Self.wait(PQsocket(handle), for: Int16(events), until: deadline) != 0 else {
                throw pipeline.silence(at: position)
            }
            guard PQconsumeInput(handle) == 1 else {
                // What came in before the end may still hold the reason.
                if PQisBusy(handle) == 0, let result = PQgetResult(handle) { return result }
                throw pipeline.breakage(at: position, lastWords())
            }
        }
    }

    private func refusal(_ result: OpaquePointer, _ pipeline: Pipeline, at position: Int) -> PostgresError {
        func field(_ code: UnicodeScalar) -> String? {
            PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        let isGone = PQstatus(handle) == CONNECTION_BAD
        guard let sqlState = field("C") else { return pipeline.breakage(at: position, lastWords()) }
        let isFatal = field("V") == "FATAL" || field("V") == "PANIC"
        if isFatal || isGone { isBroken = true }
        let refusal = PostgresError.refusal(sqlState: sqlState, words: field("M"), constraint: field("n"))
        // The plan's tables have changed since it was made; a new connection makes new plans.
        if sqlState == "26000" || sqlState == "0A000" { isBroken = true }
        if isFatal {
            return pipeline.breakage(at: position, refusal.message, sqlState: sqlState)
        }
        return refusal
    }
}

/// A pipeline under way.
struct Pipeline {
    enum Step {
        case prepare(String)
        case statement
    }

    private(set) var statements: [PostgresStatement]
    var steps: [Step] = []
    /// Names chosen for texts that the server does not keep yet.
    var preparing: [String: String] = [:]
    var announced: Set<String> = []
    var isSent = false
    private(set) var hasSettings = false
    private var settingsIndex = 0
    private let wasInTransaction: Bool

    init(statements: [PostgresStatement], isInTransaction: Bool) {
        self.statements = statements
        wasInTransaction = isInTransaction
    }

    /// From which statement on an end of the connection leaves open what happened, nil when none commits.
    private var commitIndex: Int? {
        if let index = statements.firstIndex(where: { $0.role == .commit }) { return index }
        let isExplicit = wasInTransaction || statements.contains { $0.role == .begin }
        return isExplicit ? nil : statements.count - 1
    }

    /// The connection ended while the answer to the statement at `position` was waited for.
    ///
    /// All answers up to there have come. The server may have gone on by itself: once the whole pipeline may have been sent, only
    /// a pipeline without a commit is known to have had no effect.
    func breakage(at position: Int, _ words: String, sqlState: String? = nil) -> PostgresError {
        // An error that the server tells of a statement before the commit is the end of the transaction.
        if let sqlState, let commitIndex, position < commitIndex {
            return PostgresError(.unreachable, words, sqlState: sqlState)
        }
        let isUnknown = isSent && commitIndex != nil
        return PostgresError(isUnknown ? .unknownOutcome : .unreachable, words, sqlState: sqlState)
    }

    func silence(at position: Int) -> PostgresError {
        let words = "no answer from the server in time"
        return PostgresError(commitIndex != nil ? .unknownOutcome : .timedOut, words)
    }

    /// Sets for this transaction what a session of our own would have been started with.
    mutating func insertSettings(_ settings: [(name: String, value: String)]) {
        let calls = settings.map { "set_config('\($0.name)', '\($0.value)', true)" }.joined(separator: ", ")
        settingsIndex = statements.first?.role == .begin ? 1 : 0
        statements.insert(PostgresStatement("SELECT \(calls)"), at: settingsIndex)
        hasSettings = true
    }

    func withoutSettings(_ results: [PostgresResult]) -> [PostgresResult] {
        var results = results
        results.remove(at: settingsIndex)
        return results
    }
}

extension PostgresParameters {
    /// The arguments as libpq wants them: all binary.
    fileprivate func withPointers<Value>(
        _ body: (
            Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
        ) -> Value
    ) -> Value {
        // A pointer is needed even for an empty value: a null pointer would mean NULL.
        let empty: [UInt8] = [0]
        return (bytes.isEmpty ? empty : bytes).withUnsafeBytes { buffer in
            let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values = offsets.map { offset in offset < 0 ? nil : start.map { $0 + offset } }
            let formats = [Int32](repeating: 1, count: count)
            return values.withUnsafeBufferPointer { values in
                lengths.withUnsafeBufferPointer { lengths in
                    formats.withUnsafeBufferPointer { formats in
                        body(Int32(count), values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }
}
