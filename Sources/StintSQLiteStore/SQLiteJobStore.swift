// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FoundationEssentials
import GRDB
package import StintModel
package import StintStorage
import Synchronization

/// The record in one SQLite file.
///
/// Write-ahead log with `synchronous = FULL`: a batch is flushed before it is answered. Exactly one connection writes *and*
/// checkpoints; readers are opened read-only and so never can: SQLite before 3.51.3 can corrupt the file when two connections
/// write or checkpoint at the same moment. A lock on the directory keeps a second process out.
package final class SQLiteJobStore: JobStore {
    /// Where and how to open.
    package struct Configuration: Sendable {
        /// Made when it is missing.
        package var directory: String
        /// Readers that may read at once.
        package var readersMax: Int
        /// Bytes of page cache for the writer.
        package var cacheBytes: Int

        package init(directory: String, readersMax: Int = 4, cacheBytes: Int = 32 << 20) {
            self.directory = directory
            self.readersMax = readersMax
            self.cacheBytes = cacheBytes
        }
    }

    /// Payloads and results up to this many bytes stand in the job's row.
    package static let inlineMax = 512
    /// The file's name in the data directory.
    package static let fileName = "stint.sqlite"
    /// After about this many pages (of 4 KiB) of log the writer checkpoints.
    private static let checkpointPages = 8192

    let pool: DatabasePool
    private let writer: WriterBox
    private let lock: DirectoryLock
    private let clock: @Sendable () -> Timestamp
    private let isClosed = Atomic<Bool>(false)

    /// Opens or makes the file and brings its schema up to date.
    ///
    /// - Parameters:
    ///   - rules: What the end of an attempt leads to.
    ///   - now: The record's clock; the store never lets it run backwards.
    /// - Throws: ``SQLiteStoreError``, with a sentence for the person who starts the server.
    package init(
        configuration: Configuration,
        rules: @escaping EndingRules,
        now: @escaping @Sendable () -> Timestamp
    ) async throws {
        clock = now
        try Self.makeDirectory(configuration.directory)
        lock = try DirectoryLock(directory: configuration.directory)
        let path = configuration.directory + "/" + Self.fileName
        do {
            pool = try DatabasePool(path: path, configuration: Self.grdbConfiguration(configuration))
            try await pool.writeWithoutTransaction { try SQLiteSchema.migrate($0) }
            let writer = WriterBox()
            try await pool.writeWithoutTransaction { db in
                writer.open(try BatchWriter(db, rules: rules, clock: { writer.tell(now()) }))
            }
            self.writer = writer
        } catch let error as DatabaseError {
            throw SQLiteStoreError(
                "cannot open \(path): \(error.message ?? "SQLite error \(error.resultCode.rawValue)")"
            )
        }
    }

    private static func makeDirectory(_ directory: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw SQLiteStoreError("cannot make the data directory \(directory): \(error)")
        }
    }

    private static func grdbConfiguration(_ configuration: Configuration) -> GRDB.Configuration {
        var grdb = GRDB.Configuration()
        grdb.label = "stint.record"
        grdb.maximumReaderCount = configuration.readersMax
        grdb.qos = .userInitiated
        let cacheKiB = configuration.cacheBytes / 1024
        grdb.prepareDatabase { db in
            guard !db.configuration.readonly else { return }
            try db.execute(
                sql: """
                    PRAGMA synchronous = FULL;
                    PRAGMA secure_delete = OFF;
                    PRAGMA temp_store = MEMORY;
                    PRAGMA cache_size = -\(cacheKiB);
                    PRAGMA wal_autocheckpoint = \(checkpointPages);
                    PRAGMA journal_size_limit = 67108864
                    """
            )
        }
        return grdb
    }

    // MARK: Writing

    package func perform(_ commands: [RecordCommand]) async throws(StorageError) -> RecordBatch {
        guard !isClosed.load(ordering: .acquiring) else { throw .closed }
        let writer = writer
        let result: Result<RecordBatch, StorageError> = await withCheckedContinuation { continuation in
            pool.asyncWriteWithoutTransaction { _ in
                continuation.resume(returning: writer.perform(commands))
            }
        }
        return try result.get()
    }

    package func now() async throws(StorageError) -> Timestamp {
        guard !isClosed.load(ordering: .acquiring) else { throw .closed }
        return writer.tell(clock())
    }

    // MARK: Reading

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StorageError) -> Value {
        guard !isClosed.load(ordering: .acquiring) else { throw .closed }
        do {
            return try await pool.read { try body($0) }
        } catch {
            throw StorageError(reading: error)
        }
    }

    package func job(_ id: JobID) async throws(StorageError) -> Job? {
        try await read { try JobReader($0).job(id) }
    }

    package func jobs(_ query: JobQuery) async throws(StorageError) -> JobPage {
        try await read { try JobReader($0).jobs(query) }
    }

    package func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) async throws(StorageError) -> [ReadyJob] {
        try await read { try JobReader($0).readyJobs(lane: lane, after: after, limit: limit) }
    }

    package func readyLanes() async throws(StorageError) -> [Lane] {
        try await read { db in
            let reader = JobReader(db)
            return try reader.readyLaneIDs().map { try reader.lane($0) }.sorted()
        }
    }

    package func countReady(lane: Lane, before: ServingOrder, limit: Int) async throws(StorageError) -> Int {
        try await read { try JobReader($0).countReady(lane: lane, before: before, limit: limit) }
    }

    package func nextDue() async throws(StorageError) -> Timestamp? {
        try await read { try JobReader($0).nextDue() }
    }

    package func session(_ id: WorkerID) async throws(StorageError) -> WorkerSession? {
        try await read { try SessionReader($0).session(id) }
    }

    package func sessions() async throws(StorageError) -> [WorkerSession] {
        try await read { try SessionReader($0).sessions() }
    }

    package func notices(for sessions: [WorkerID]) async throws(StorageError) -> [RecordNotice] {
        try await read { db in try sessions.flatMap { try SessionReader(db).notices(for: $0) } }
    }

    package func leases(of session: WorkerID) async throws(StorageError) -> [LeaseToken] {
        try await read { try SessionReader($0).leases(of: session) }
    }

    package func lastRenewal() async throws(StorageError) -> Timestamp? {
        try await read { try SessionReader($0).lastRenewal() }
    }

    package func queues() async throws(StorageError) -> [QueueStatus] {
        try await read { try JobReader($0).queues() }
    }

    package func deadLetterGroups(
        _ filter: DeadLetterFilter,
        limit: Int
    ) async throws(StorageError) -> [DeadLetterGroup] {
        try await read { try JobReader($0).deadLetterGroups(filter, limit: limit) }
    }

    package func diagnostics() async throws(StorageError) -> [RecordDiagnostic] {
        try await read { try SQLiteDiagnostics.read($0) }
    }

    package func close() async {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let writer = writer
        await withCheckedContinuation { continuation in
            pool.asyncWriteWithoutTransaction { db in
                writer.close()
                try? db.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")  // only saves the next start some work
                continuation.resume()
            }
        }
        try? pool.close()  // the file is whole either way; the process is ending
        lock.unlock()
    }
}

/// Holds the batch writer for the writer's queue.
///
/// SAFETY: `writer` is touched only inside blocks that run on the pool's one serial writer queue; `lastInstant` is atomic.
private final class WriterBox: @unchecked Sendable {
    private var writer: BatchWriter?
    private let instant = Atomic<Int64>(0)

    /// The latest instant that was ever told or written.
    func tell(_ now: Timestamp) -> Timestamp {
        let milliseconds = instant.max(now.milliseconds, ordering: .relaxed).newValue
        return Timestamp(milliseconds: milliseconds)
    }

    func open(_ writer: BatchWriter) {
        self.writer = writer
    }

    func close() {
        writer = nil
    }

    func perform(_ commands: [RecordCommand]) -> Result<RecordBatch, StorageError> {
        guard let writer else { return .failure(.closed) }
        do {
            return .success(try writer.perform(commands))
        } catch let error as CommitError {
            return .failure(StorageError(committing: error.underlying))
        } catch {
            return .failure(StorageError(writing: error))
        }
    }
}
