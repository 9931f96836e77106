// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

extension WorkerMachine {
    mutating func reportStep(now: Int64, _ turn: inout WorkerTurn) {
        guard session.report == nil, !unreported.isEmpty else { return }
        guard now >= session.reporting.notBefore else { return turn.wake(at: session.reporting.notBefore) }
        if !isDraining, let waitsUntil = nextPollTakesResults(now: now) { return turn.wake(at: waitsUntil) }
        let results = takeResults()
        let call = newCall()
        session.report = Session.ReportUnderWay(call: call, results: results)
        turn.actions.append(.call(call, .report(session.id, ResultsRequest(results: results))))
    }

    /// Until when results wait for the next poll to take them along; nil when they had better go by themselves.
    private func nextPollTakesResults(now: Int64) -> Int64? {
        guard let poll = session.poll else {
            return isLingering(now: now) ? lingerUntil : nil
        }
        let graceEnd = poll.sentAt + settings.pollGrace
        return now < graceEnd ? graceEnd : nil
    }

    /// The results that go into one request.
    mutating func takeResults() -> [WorkerResult] {
        let countMax = session.reportsSingly ? 1 : settings.resultsMax
        var bytes = 0
        var count = 0
        for result in unreported {
            bytes += result.bytesEstimate
            guard count < countMax, count == 0 || bytes <= WorkerProtocolLimits.reportBytesAim else { break }
            count += 1
        }
        if count == unreported.count {
            defer { unreported = [] }
            return unreported
        }
        let taken = Array(unreported[..<count])
        unreported.removeFirst(count)
        return taken
    }

    mutating func reported(_ call: CallID, _ answer: ResultsAnswer, now: Int64) {
        guard let report = session.report, report.call == call else { return }
        session.report = nil
        settle(report.results, answer.results)
    }

    /// Every result that has a status is dealt with, whatever the status; those without are sent again.
    mutating func settle(_ results: [WorkerResult], _ statuses: [ReportedResult]) {
        guard !results.isEmpty else { return }
        session.reporting.succeeded()
        var lost: [WireLease] = []
        var missing: [WorkerResult] = []
        var byLease: [WireLease: ReportedResult.Status]?
        for (index, result) in results.enumerated() {
            var status: ReportedResult.Status?
            if index < statuses.count, statuses[index].lease == result.lease {
                status = statuses[index].status
            } else {
                // Not in the order of the request, as they should be.
                let all = byLease ?? Dictionary(statuses.map { ($0.lease, $0.status) }, uniquingKeysWith: { $1 })
                byLease = all
                status = all[result.lease]
            }
            switch status {
            case .accepted: break
            case .leaseLost, .alreadyReported: lost.append(result.lease)
            case nil: missing.append(result)
            }
        }
        if !lost.isEmpty { pending.append(.note(.reportsLost(lost))) }
        unreported.insert(contentsOf: missing, at: 0)
        if unreported.isEmpty { session.reportsSingly = false }
    }

    /// The server does not read a request: one of its results may be the cause.
    ///
    /// They go one by one until it is found; that one becomes a failure that says so, and is given up if even that is
    /// refused.
    mutating func refused(_ results: [WorkerResult], _ failure: CallFailure) {
        guard results.count == 1, var result = results.first else {
            session.reportsSingly = true
            unreported.insert(contentsOf: results, at: 0)
            return
        }
        session.reportsSingly = false
        pending.append(.note(.reportRefused(result.lease, failure.message)))
        if case .failed(let error, _, _) = result.ending, error.type == Self.refusedType { return }
        let error = JobError(type: Self.refusedType, message: "the server refused the result: \(failure.message)")
        result.ending = .failed(error: error.truncated(), isRetryable: false, retryAfter: nil)
        unreported.insert(result, at: 0)
    }

    private static var refusedType: String { "ResultRefused" }
}

extension WorkerResult {
    /// About as long as it is on the wire.
    fileprivate var bytesEstimate: Int {
        switch ending {
        case .completed(let result): 192 + (result?.count ?? 0)
        case .failed(let error, _, _): 256 + error.type.utf8.count + error.message.utf8.count + error.stack.utf8.count
        case .snoozed, .released, .cancelled, .timedOut, .lost: 192
        }
    }
}
