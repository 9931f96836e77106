// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel
import StintStorage

/// Hot commands that can be carried out together, kind by kind: reports, then renewals, then leases, then submissions.
///
/// Putting a command with the others of its kind moves it before those of later kinds that came earlier. That changes nothing as
/// long as the two have nothing in common; when they do, the wave is full and another begins.
struct Wave {
    struct Reported {
        var index: Int
        /// Which of the request's reports.
        var position: Int
        var session: WorkerID
        var report: ReportRequest.Report
    }

    struct Granted {
        var index: Int
        var position: Int
        var session: WorkerID
        var coordinator: CoordinatorID?
        var grant: LeaseRequest.Grant
    }

    private(set) var reports: [Reported] = []
    /// Command index and session of every report request, also of those without a report.
    private(set) var reporters: [(index: Int, request: ReportRequest)] = []
    private(set) var renewals: [(index: Int, request: RenewRequest)] = []
    private(set) var grants: [Granted] = []
    private(set) var lessees: [(index: Int, request: LeaseRequest)] = []
    private(set) var submissions: [(index: Int, submission: Submission)] = []

    private var reportedJobs: Set<JobID> = []
    private var namedJobs: Set<JobID> = []
    private var leasedJobs: Set<JobID> = []
    private var submittedJobs: Set<JobID> = []
    private var renewedSessions: Set<WorkerID> = []
    private var leasedSessions: Set<WorkerID> = []
    private var keys: Set<String> = []

    var isEmpty: Bool {
        reporters.isEmpty && reports.isEmpty && renewals.isEmpty && lessees.isEmpty && grants.isEmpty
            && submissions.isEmpty
    }

    mutating func add(reporter request: ReportRequest, _ index: Int) {
        reporters.append((index, request))
    }

    /// Whether there was room.
    mutating func add(_ reported: Reported) -> Bool {
        let job = reported.report.token.jobID
        guard !reportedJobs.contains(job), !namedJobs.contains(job), !leasedJobs.contains(job),
            !submittedJobs.contains(job)
        else { return false }
        reportedJobs.insert(job)
        reports.append(reported)
        return true
    }

    mutating func add(_ request: RenewRequest, _ index: Int) -> Bool {
        let named = request.leases.map(\.jobID) + request.progress.map(\.token.jobID)
        guard !renewedSessions.contains(request.session), !leasedSessions.contains(request.session),
            named.allSatisfy({ !leasedJobs.contains($0) })
        else { return false }
        renewedSessions.insert(request.session)
        namedJobs.formUnion(named)
        renewals.append((index, request))
        return true
    }

    mutating func add(lessee request: LeaseRequest, _ index: Int) {
        leasedSessions.insert(request.session)
        lessees.append((index, request))
    }

    mutating func add(_ granted: Granted) -> Bool {
        let job = granted.grant.jobID
        guard !leasedJobs.contains(job), !submittedJobs.contains(job) else { return false }
        leasedJobs.insert(job)
        leasedSessions.insert(granted.session)
        grants.append(granted)
        return true
    }

    mutating func add(_ submission: Submission, _ index: Int) -> Bool {
        if let key = submission.idempotency?.key, !keys.insert(key).inserted { return false }
        for job in submission.jobs { submittedJobs.insert(job.id) }
        submissions.append((index, submission))
        return true
    }
}

extension BatchRun {
    /// Puts a hot command into the wave, sending the wave first where it is full.
    ///
    /// - Returns: False when the command is not hot.
    func gather(_ command: RecordCommand, _ index: Int, into wave: inout Wave) throws(PostgresError) -> Bool {
        switch command {
        case .report(let request):
            wave.add(reporter: request, index)
            for (position, report) in request.reports.enumerated() {
                let reported = Wave.Reported(index: index, position: position, session: request.session, report: report)
                if !wave.add(reported) {
                    try send(&wave)
                    _ = wave.add(reported)
                }
            }
        case .renew(let request):
            if !wave.add(request, index) {
                try send(&wave)
                _ = wave.add(request, index)
            }
        case .lease(let request):
            wave.add(lessee: request, index)
            for (position, grant) in request.grants.enumerated() {
                let granted = Wave.Granted(
                    index: index,
                    position: position,
                    session: request.session,
                    coordinator: request.coordinator,
                    grant: grant
                )
                if !wave.add(granted) {
                    try send(&wave)
                    _ = wave.add(granted)
                }
            }
        case .submit(let submission):
            if !wave.add(submission, index) {
                try send(&wave)
                _ = wave.add(submission, index)
            }
        default:
            return false
        }
        return true
    }

    /// Gathers the wave's statements and empties it.
    func send(_ wave: inout Wave) throws(PostgresError) {
        guard !wave.isEmpty else { return }
        try report(wave)
        renew(wave)
        lease(wave)
        submit(wave)
        wave = Wave()
    }
}
