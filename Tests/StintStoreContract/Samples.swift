// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

extension Lane {
    static let work = Lane(queue: "default", name: "work")
    static let mail = Lane(queue: "default", name: "mail")
    static let slow = Lane(queue: "slow", name: "work")
}

extension JobError {
    static let sample = JobError(type: "Oops", message: "it broke", stack: "at line 1\nat line 2")
}

extension Ending {
    static let success = Ending.completed(result: Array(#"{"ok":true}"#.utf8))
    /// A failure that may be tried again.
    static let failure = Ending.failed(error: .sample, isRetryable: true, retryAfter: nil)
    /// A failure that may not.
    static let fatal = Ending.failed(error: .sample, isRetryable: false, retryAfter: nil)
}

extension RecordAnswer {
    func asSubmitted(file: String = #fileID, line: Int = #line) throws -> SubmitReceipt {
        guard case .submitted(let receipt) = self else { throw unexpected("submitted", file, line) }
        return receipt
    }

    func asLeased(file: String = #fileID, line: Int = #line) throws -> LeaseReceipt {
        guard case .leased(let receipt) = self else { throw unexpected("leased", file, line) }
        return receipt
    }

    func asReported(file: String = #fileID, line: Int = #line) throws -> [ReportStatus]? {
        guard case .reported(let statuses) = self else { throw unexpected("reported", file, line) }
        return statuses
    }

    func asRenewed(file: String = #fileID, line: Int = #line) throws -> RenewReceipt? {
        guard case .renewed(let receipt) = self else { throw unexpected("renewed", file, line) }
        return receipt
    }

    func asRegistered(file: String = #fileID, line: Int = #line) throws -> WorkerSession {
        guard case .registered(let session) = self else { throw unexpected("registered", file, line) }
        return session
    }

    func asJob(file: String = #fileID, line: Int = #line) throws -> Job {
        guard case .job(let job) = self else { throw unexpected("job", file, line) }
        return job
    }

    func asCount(file: String = #fileID, line: Int = #line) throws -> Int {
        guard case .count(let count) = self else { throw unexpected("count", file, line) }
        return count
    }

    func expectDone(file: String = #fileID, line: Int = #line) throws {
        guard case .done = self else { throw unexpected("done", file, line) }
    }

    func expectNotFound(file: String = #fileID, line: Int = #line) throws {
        guard case .notFound = self else { throw unexpected("notFound", file, line) }
    }

    func expectMismatch(file: String = #fileID, line: Int = #line) throws {
        guard case .idempotencyMismatch = self else { throw unexpected("idempotencyMismatch", file, line) }
    }

    func expectWrongState(_ state: JobState, file: String = #fileID, line: Int = #line) throws {
        guard case .wrongState(state) = self else { throw unexpected("wrongState(\(state))", file, line) }
    }

    private func unexpected(_ wanted: String, _ file: String, _ line: Int) -> ContractFailure {
        ContractFailure("answer: found \(self), wanted \(wanted)", at: SourcePlace(file: file, line: line))
    }
}

/// A job's move, without what most cases do not look at.
struct Move: Hashable {
    var id: JobID
    var from: JobState?
    var to: JobState?

    init(_ id: JobID, _ from: JobState?, _ to: JobState?) {
        self.id = id
        self.from = from
        self.to = to
    }
}

extension RecordBatch {
    var moves: [Move] { changes.map { Move($0.id, $0.from, $0.to) } }
}
