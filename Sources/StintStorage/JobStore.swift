// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// The record: every fact about jobs, attempts and workers, and the only truth.
///
/// All changes go through ``perform(_:)``: a batch is one transaction, flushed to stable storage before the call
/// returns. Commands take effect in array order, each sees what those before it did, and each is a conditional write whose
/// refusal is an answer; so one command can never fail another. A crash at any moment leaves all of a batch or nothing.
///
/// A new job's id must be new: a second job of the same id makes the whole batch `rejected`.
///
/// All times are read once per batch from the record's clock.
package protocol JobStore: Sendable {
    /// Carries out the commands in one transaction.
    ///
    /// - Returns: One answer per command, in order, and every job and worker change the batch made.
    /// - Throws: ``StorageError``; then none of the commands took effect, except for `unknownOutcome`, where all or none did.
    ///   Cancelling the calling task does not interrupt a batch that has begun.
    func perform(_ commands: [RecordCommand]) async throws(StorageError) -> RecordBatch

    /// The record's clock.
    func now() async throws(StorageError) -> Timestamp

    /// One job with its attempts, nil when unknown.
    func job(_ id: JobID) async throws(StorageError) -> Job?

    /// A page of jobs, newest first, without payload, result and attempts. It looks at a bounded number of rows, so a page may
    /// be short, even empty, and still name where to go on. When dead jobs of any tag are asked for, each comes with its
    /// `lastError`.
    func jobs(_ query: JobQuery) async throws(StorageError) -> JobPage

    /// Available jobs of a lane in serving order, those after `after` only.
    func readyJobs(lane: Lane, after: ServingOrder?, limit: Int) async throws(StorageError) -> [ReadyJob]

    /// The lanes that have an available job, sorted.
    func readyLanes() async throws(StorageError) -> [Lane]

    /// How many available jobs stand before this place in its lane, counted up to `limit`.
    func countReady(lane: Lane, before: ServingOrder, limit: Int) async throws(StorageError) -> Int

    /// The earliest `run_at` of the scheduled jobs, nil when there is none.
    func nextDue() async throws(StorageError) -> Timestamp?

    /// The worker session, with the number of its leases; nil when unknown.
    func session(_ id: WorkerID) async throws(StorageError) -> WorkerSession?

    /// Worker sessions, newest first: the live ones, and up to 200 that have ended.
    func sessions() async throws(StorageError) -> [WorkerSession]

    /// The leases a worker session holds.
    func leases(of session: WorkerID) async throws(StorageError) -> [LeaseToken]

    /// When any worker session was last renewed, nil when there never was one.
    func lastRenewal() async throws(StorageError) -> Timestamp?

    /// Every queue that has or had a job or is paused, sorted by name.
    func queues() async throws(StorageError) -> [QueueStatus]

    /// Dead letters counted by fingerprint, largest group first.
    func deadLetterGroups(_ filter: DeadLetterFilter, limit: Int) async throws(StorageError) -> [DeadLetterGroup]

    /// What `doctor` shows of the record: library version, file, settings.
    func diagnostics() async throws(StorageError) -> [RecordDiagnostic]

    /// Flushes and closes. Later calls throw ``StorageError/closed``.
    func close() async
}

/// What a batch of commands did.
package struct RecordBatch: Sendable {
    /// One answer per command, in order.
    package var answers: [RecordAnswer]
    /// Every change of a job's state, in the order made.
    ///
    /// A cancel flag alone is a notice.
    package var changes: [JobChange]
    /// Every change of a worker session or queue that others must know at once.
    package var notices: [RecordNotice]

    package init(answers: [RecordAnswer] = [], changes: [JobChange] = [], notices: [RecordNotice] = []) {
        self.answers = answers
        self.changes = changes
        self.notices = notices
    }
}

/// A job moved from one state to another, or into the record.
package struct JobChange: Hashable, Sendable {
    package var id: JobID
    package var lane: Lane
    /// Nil when the job is new.
    package var from: JobState?
    /// Nil when the job was deleted.
    package var to: JobState?
    package var attempt: Int
    package var priority: Int
    package var createdAt: Timestamp
    package var runAt: Timestamp
    /// When the attempt that began or ended with this change had started.
    package var startedAt: Timestamp?
    /// The record's clock at the change.
    package var at: Timestamp
    /// How the attempt that ended with this change ended.
    package var outcome: AttemptOutcome?
    package var cause: DeadCause?
    /// The worker session whose lease began or ended with this change.
    package var worker: WorkerID?

    package init(
        id: JobID,
        lane: Lane,
        from: JobState?,
        to: JobState?,
        attempt: Int,
        priority: Int,
        createdAt: Timestamp,
        runAt: Timestamp,
        startedAt: Timestamp? = nil,
        at: Timestamp,
        outcome: AttemptOutcome? = nil,
        cause: DeadCause? = nil,
        worker: WorkerID? = nil
    ) {
        self.id = id
        self.lane = lane
        self.from = from
        self.to = to
        self.attempt = attempt
        self.priority = priority
        self.createdAt = createdAt
        self.runAt = runAt
        self.startedAt = startedAt
        self.at = at
        self.outcome = outcome
        self.cause = cause
        self.worker = worker
    }

    /// The place on the belt of a job that became available.
    package var readyJob: ReadyJob {
        ReadyJob(lane: lane, order: ServingOrder(runAt: runAt, priority: priority, id: id))
    }
}

/// Something about a worker session or queue that parked polls must hear of.
package enum RecordNotice: Hashable, Sendable {
    /// The session was lost or said goodbye.
    case sessionEnded(WorkerID, wasLost: Bool)
    /// The session was told to drain.
    case sessionDraining(WorkerID)
    /// A running job of the session was called off.
    case cancelRequested(WorkerID, LeaseToken)
    case queuePaused(String)
    case queueResumed(String)
}
