// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Which jobs to list.
///
/// All that is set must hold.
package struct JobQuery: Hashable, Sendable {
    package var queue: String?
    package var state: JobState?
    package var name: String?
    package var tag: String?
    package var cause: DeadCause?
    package var fingerprint: String?
    /// Inclusive.
    package var createdAfter: Timestamp?
    /// Exclusive.
    package var createdBefore: Timestamp?
    /// Jobs with smaller ids only: where the page before ended.
    package var before: JobID?
    package var limit: Int

    package init(limit: Int = 50) {
        self.limit = limit
    }

    /// Whether it is a list of dead jobs, which come with what they died of.
    package var listsLastErrors: Bool { state == .dead && tag == nil }
}

/// One page of jobs, newest first.
package struct JobPage: Hashable, Sendable {
    package var jobs: [Job]
    /// Where the next page starts, nil at the end.
    package var next: JobID?

    package init(jobs: [Job], next: JobID?) {
        self.jobs = jobs
        self.next = next
    }
}

/// Which dead letters are meant.
///
/// All that is set must hold.
package struct DeadLetterFilter: Hashable, Sendable {
    package var queue: String?
    package var name: String?
    package var cause: DeadCause?
    package var fingerprint: String?
    /// These jobs only, where not nil.
    package var ids: [JobID]?

    package init(
        queue: String? = nil,
        name: String? = nil,
        cause: DeadCause? = nil,
        fingerprint: String? = nil,
        ids: [JobID]? = nil
    ) {
        self.queue = queue
        self.name = name
        self.cause = cause
        self.fingerprint = fingerprint
        self.ids = ids
    }
}

/// Dead letters that died of the same thing.
package struct DeadLetterGroup: Hashable, Sendable {
    package var fingerprint: String
    package var name: String
    package var errorType: String
    package var message: String
    package var count: Int
    package var firstSeen: Timestamp
    package var lastSeen: Timestamp
    /// Sorted.
    package var queues: [String]

    package init(
        fingerprint: String,
        name: String,
        errorType: String,
        message: String,
        count: Int,
        firstSeen: Timestamp,
        lastSeen: Timestamp,
        queues: [String]
    ) {
        self.fingerprint = fingerprint
        self.name = name
        self.errorType = errorType
        self.message = message
        self.count = count
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.queues = queues
    }
}

/// A queue at a glance.
package struct QueueStatus: Hashable, Sendable {
    package var queue: String
    /// Who paused it, nil when it is not paused.
    package var pausedBy: String?
    /// Jobs by state; states without a job are left out.
    package var counts: [JobState: Int]
    /// When the job at the head of the queue's longest-waiting lane could first have run, nil when none is available.
    package var oldestAvailable: Timestamp?

    package init(queue: String, pausedBy: String?, counts: [JobState: Int], oldestAvailable: Timestamp?) {
        self.queue = queue
        self.pausedBy = pausedBy
        self.counts = counts
        self.oldestAvailable = oldestAvailable
    }
}

/// One line that `doctor` shows of a record.
package struct RecordDiagnostic: Hashable, Sendable {
    package var key: String
    package var value: String
    /// What is wrong and what to do, nil when all is well.
    package var warning: String?

    package init(key: String, value: String, warning: String? = nil) {
        self.key = key
        self.value = value
        self.warning = warning
    }
}
