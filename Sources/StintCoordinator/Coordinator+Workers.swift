// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintStorage
import Synchronization

/// What workers ask.
extension Coordinator {
    /// A new worker session.
    ///
    /// The times in `session` are set by the record.
    package func register(_ session: WorkerSession) async throws(ServiceError) -> WorkerSession {
        var session = session
        session.coordinator = id
        guard case .registered(let stored) = try await perform(.register(session, lease: settings.lease), .urgent)
        else {
            throw .fault("an unexpected answer to a registration")
        }
        capabilities.withLock { $0[stored.id] = stored.capabilities }
        concurrencies.withLock { $0[stored.id] = stored.concurrency }
        dispatcher.sessionStarted(stored.id)
        return stored
    }

    /// What a poll asks and tells.
    package struct Poll: Sendable {
        package var freeSlots: Int
        /// Nil for the default.
        package var wait: Milliseconds?
        /// Every lease the worker holds or has yet to report.
        package var running: [LeaseToken]
        /// Nil tokens are of no lease that was ever granted.
        package var reports: [(token: LeaseToken?, ending: Ending)]

        package init(
            freeSlots: Int,
            wait: Milliseconds?,
            running: [LeaseToken],
            reports: [(token: LeaseToken?, ending: Ending)]
        ) {
            self.freeSlots = freeSlots
            self.wait = wait
            self.running = running
            self.reports = reports
        }
    }

    /// The answer to a poll.
    package struct PollResult: Sendable {
        package var jobs: [LeasedJob]
        package var cancelled: [LeaseToken]
        /// One per report, in order.
        package var statuses: [ReportStatus]
        package var isDraining: Bool
    }

    /// Applies what the poll tells, renews the session, then waits for work, a cancellation, a drain order or the end of the wait.
    package func poll(_ id: WorkerID, _ poll: Poll) async throws(ServiceError) -> PollResult {
        let capabilities = try await knownCapabilities(of: id)
        let named = Set(poll.running).union(poll.reports.compactMap(\.token))
        let undelivered = dispatcher.takeUndelivered(of: id, named: named)
        let concurrency = concurrencies.withLock { $0[id] } ?? poll.freeSlots
        let freeSlots = min(poll.freeSlots, concurrency)
        let jobs = await dispatcher.takeAtOnce(id, capabilities: capabilities, freeSlots: freeSlots)
        let applied: Applied
        do throws(ServiceError) {
            applied = try await apply(poll, of: id, undelivered: undelivered, jobs: jobs)
        } catch {
            if case .unknownOutcome = error {
                dispatcher.sessionStarted(id)
                dispatcher.outcomeIsUnknown(for: id)
            }
            dispatcher.restoreUndelivered(undelivered, of: id)
            if !jobs.isEmpty { _ = await dispatcher.settleAtOnce(nil, of: jobs, session: id) }
            throw error
        }
        if applied.renewal.isNewHere { dispatcher.sessionMovedHere(id) }
        let granted = jobs.isEmpty ? [] : await dispatcher.settleAtOnce(applied.leased, of: jobs, session: id)
        if dispatcher.mayHoldUnknown(id) {
            try await releaseUnknown(of: id, known: named.union(granted.map(\.token)))
        }
        if !granted.isEmpty {
            let news = dispatcher.newsAtOnce(id, applied.renewal)
            return PollResult(
                jobs: granted,
                cancelled: news.cancelled,
                statuses: applied.statuses,
                isDraining: news.isDraining
            )
        }
        return await park(poll, of: id, capabilities, freeSlots: freeSlots, applied)
    }

    /// The client of the session's poll has gone: a parked one is given no jobs.
    package func withdrawPoll(of id: WorkerID) {
        dispatcher.withdraw(id)
    }

    private func park(
        _ poll: Poll,
        of id: WorkerID,
        _ capabilities: Capabilities,
        freeSlots: Int,
        _ applied: Applied
    ) async -> PollResult {
        let wait = poll.wait ?? settings.pollWait
        let outcome = await dispatcher.poll(
            id,
            capabilities: capabilities,
            freeSlots: freeSlots,
            deadline: environment.time.now() + wait.count * 1_000_000,
            renewal: applied.renewal
        )
        return PollResult(
            jobs: outcome.jobs,
            cancelled: outcome.cancelled,
            statuses: applied.statuses,
            isDraining: outcome.isDraining
        )
    }

    /// What became of what a poll told.
    private struct Applied {
        /// One per report, in order.
        var statuses: [ReportStatus]
        var renewal: RenewReceipt
        /// Of the jobs that were taken for it.
        var leased: LeaseReceipt?
    }

    /// One transaction: reports first, so that their jobs count as ended for all that follows, leases last.
    private func apply(
        _ poll: Poll,
        of id: WorkerID,
        undelivered: [LeaseToken],
        jobs: [ReadyJob]
    ) async throws(ServiceError) -> Applied {
        let reports = reports(poll.reports)
        var commands: [RecordCommand] = []
        if !reports.isEmpty { commands.append(.report(ReportRequest(session: id, reports: reports))) }
        if !undelivered.isEmpty { commands.append(.release(id, undelivered, random: environment.random())) }
        commands.append(.renew(RenewRequest(session: id, lease: settings.lease, coordinator: self.id)))
        if !jobs.isEmpty { commands.append(dispatcher.leaseCommand(jobs, to: id)) }
        var statuses: [ReportStatus] = []
        var renewal: RenewReceipt?
        var leased: LeaseReceipt?
        for answer in try await performShelving(commands, reports: reports, of: id) {
            switch answer {
            case .reported(let reported): statuses = reported ?? []
            case .renewed(let receipt): renewal = receipt
            case .leased(let receipt): leased = receipt
            default: break
            }
        }
        guard let renewal else { throw .sessionLost }
        return Applied(
            statuses: Self.aligned(statuses, to: poll.reports.map { $0.token != nil }),
            renewal: renewal,
            leased: leased
        )
    }

    /// Reports that the record cannot take now are put on the shelf, so that they outlive their worker; the worker is told to try
    /// again all the same.
    private func performShelving(
        _ commands: [RecordCommand],
        reports: [ReportRequest.Report],
        of id: WorkerID
    ) async throws(ServiceError) -> [RecordAnswer] {
        do throws(ServiceError) {
            return try await perform(commands, .urgent)
        } catch {
            switch error {
            case .unavailable, .unknownOutcome: await shelve(ReportRequest(session: id, reports: reports))
            default: break
            }
            throw error
        }
    }

    private func reports(_ told: [(token: LeaseToken?, ending: Ending)]) -> [ReportRequest.Report] {
        told.compactMap { report in
            report.token.map { ReportRequest.Report(token: $0, ending: report.ending, random: environment.random()) }
        }
    }

    /// Puts the statuses of known tokens back to where the reports stood.
    private static func aligned(_ statuses: [ReportStatus], to isKnown: [Bool]) -> [ReportStatus] {
        var rest = statuses[...]
        return isKnown.map { $0 ? rest.popFirst() ?? .leaseLost : .leaseLost }
    }

    /// Releases what the session holds and does not know of: granted in the answer to a poll of another coordinator, or of
    /// another start of this one, that never arrived.
    ///
    /// Only this coordinator can lease to the session now, so nothing more is on its way.
    private func releaseUnknown(of id: WorkerID, known: Set<LeaseToken>) async throws(ServiceError) {
        let held = try await read { (store) throws(StorageError) in try await store.leases(of: id) }
        let unknown = held.filter { !known.contains($0) }
        if !unknown.isEmpty { _ = try await perform(.release(id, unknown, random: environment.random()), .urgent) }
        dispatcher.unknownWasReleased(id)
    }

    private func knownCapabilities(of id: WorkerID) async throws(ServiceError) -> Capabilities {
        if let known = capabilities.withLock({ $0[id] }) { return known }
        let session = try await read { (store) throws(StorageError) in try await store.session(id) }
        guard let session, session.endedAt == nil else { throw .sessionLost }
        capabilities.withLock { $0[id] = session.capabilities }
        concurrencies.withLock { $0[id] = session.concurrency }
        return session.capabilities
    }

    /// Applies reports; one status each, in order.
    package func report(
        _ id: WorkerID,
        _ told: [(token: LeaseToken?, ending: Ending)]
    ) async throws(ServiceError) -> [ReportStatus] {
        let reports = reports(told)
        let commands = [RecordCommand.report(ReportRequest(session: id, reports: reports))]
        let answers = try await performShelving(commands, reports: reports, of: id)
        guard case .reported(let statuses) = answers.first, let statuses else { throw .sessionLost }
        return Self.aligned(statuses, to: told.map { $0.token != nil })
    }

    /// Renews the session and judges its leases; nil tokens are lost.
    package func heartbeat(
        _ id: WorkerID,
        _ running: [(token: LeaseToken?, progress: JobProgress?)]
    ) async throws(ServiceError) -> (verdicts: [RenewReceipt.Verdict], isDraining: Bool) {
        let request = RenewRequest(
            session: id,
            lease: settings.lease,
            leases: running.compactMap(\.token),
            progress: running.compactMap { held in
                guard let token = held.token, let progress = held.progress else { return nil }
                return RenewRequest.Progress(token: token, progress: progress)
            }
        )
        guard case .renewed(let receipt) = try await perform(.renew(request), .urgent), let receipt else {
            throw .sessionLost
        }
        var rest = receipt.verdicts[...]
        return (running.map { $0.token == nil ? .lost : rest.popFirst() ?? .lost }, receipt.isDraining)
    }

    /// Ends the session; what it holds is released.
    package func goodbye(_ id: WorkerID) async throws(ServiceError) {
        guard case .done = try await perform(.goodbye(id, random: environment.random()), .urgent) else {
            throw .sessionLost
        }
    }

    package func drain(_ id: WorkerID) async throws(ServiceError) -> WorkerSession {
        guard case .done = try await perform(.drain(id), .urgent) else {
            throw .notFound("there is no live worker session \(id)")
        }
        guard let session = try await read({ (store) throws(StorageError) in try await store.session(id) }) else {
            throw .notFound("there is no worker session \(id)")
        }
        return session
    }

    package func sessions() async throws(ServiceError) -> [WorkerSession] {
        try await read { (store) throws(StorageError) in try await store.sessions() }
    }
}
