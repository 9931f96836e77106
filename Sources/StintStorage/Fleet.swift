// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// What one server process tells the others, so that they need not wait for their next look at the record.
///
/// A hint only: it can be lost, doubled or late, and nothing depends on it but time.
package enum News: Hashable, Sendable {
    /// These lanes have jobs that became available, and they are on the belt.
    case available([Lane])
    /// Jobs were scheduled; the earliest is due then.
    case scheduled(Timestamp)
    /// What parked polls must hear of.
    case notices([RecordNotice])
    /// These jobs have reached a terminal state.
    case ended([JobID])
    /// What happened to jobs, for rates that hold for the whole fleet.
    case counted(JobCounts)
}

/// How many jobs a process saw submitted and attempts it saw complete or fail, since it told last.
package struct JobCounts: Hashable, Sendable {
    package var submitted: Int
    package var completed: Int
    package var failed: Int

    package init(submitted: Int = 0, completed: Int = 0, failed: Int = 0) {
        self.submitted = submitted
        self.completed = completed
        self.failed = failed
    }

    package var isEmpty: Bool { self == JobCounts() }

    /// What a transaction did.
    package init(_ batch: RecordBatch) {
        self.init()
        for change in batch.changes {
            if change.from == nil { submitted += 1 }
            switch change.outcome {
            case .completed: completed += 1
            case .failed, .timedOut: failed += 1
            default: break
            }
        }
    }
}

/// Carries ``News`` between the server processes of a fleet.
package protocol NewsChannel: Sendable {
    /// Tells all others.
    ///
    /// Never waits long and never fails: what cannot be sent is dropped.
    func publish(_ news: [News]) async

    /// Hands over what others publish, until the task is cancelled; survives outages.
    ///
    /// Its own news do not come back.
    ///
    /// - Parameters:
    ///   - onGap: News may have been missed: called whenever listening begins, again after each outage.
    func listen(onGap: @Sendable () async -> Void, onNews: @Sendable ([News]) async -> Void) async
}

/// Where reports wait while the record is away, so that they need not wait in the memory of a worker that may die.
///
/// A report in here has been answered "try again": keeping it is a second chance, not an acceptance.
package protocol ReportShelf: Sendable {
    /// Keeps reports in order.
    ///
    /// - Returns: Whether they were kept; not when the shelf is full.
    func keep(_ request: ReportRequest) async throws(StorageError) -> Bool

    /// The oldest kept requests, which stay until ``discard(_:)``; empty when nothing waits.
    ///
    /// Several processes may be given the same: applying a report twice does no harm.
    func oldest(limit: Int) async throws(StorageError) -> [ShelvedReports]

    /// Forgets those that were applied.
    func discard(_ shelved: [ShelvedReports]) async throws(StorageError)
}

/// A request on a ``ReportShelf``.
package struct ShelvedReports: Sendable {
    /// Names it on the shelf.
    package var place: String
    /// Nil when it cannot be read: it is to be discarded.
    package var request: ReportRequest?

    package init(place: String, request: ReportRequest?) {
        self.place = place
        self.request = request
    }
}

/// Tells whoever wants to react that jobs died.
package protocol DeadLetterBoard: Sendable {
    /// Announces jobs that became dead letters.
    ///
    /// Never waits long and never fails: what cannot be sent is dropped.
    func announce(_ changes: [JobChange]) async
}
