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
        let undelivered = try await undelivered(of: id, poll)
        let (statuses, renewal): ([ReportStatus], RenewReceipt)
        do throws(ServiceError) {
            (statuses, renewal) = try await renew(id, reports: poll.reports, undelivered: undelivered)
        } catch {
            dispatcher.restoreUndelivered(undelivered, of: id)
            throw error
        }
        let wait = poll.wait ?? settings.pollWait
        let concurrency = concurrencies.withLock { $0[id] } ?? poll.freeSlots
        let outcome = await dispatcher.poll(
            id,
            capabilities: capabilities,
            freeSlots: min(poll.freeSlots, concurrency),
            deadline: environment.time.now() + wait.count * 1_000_000,
            renewal: renewal
        )
        return PollResult(
            jobs: outcome.jobs,
            cancelled: outcome.cancelled,
            statuses: statuses,
            isDraining: outcome.isDraining
        )
    }

    /// One transaction: reports first, so that their jobs count as ended for all that follows.
    private func renew(
        _ id: WorkerID,
        reports: [(token: LeaseToken?, ending: Ending)],
        undelivered: [LeaseToken]
    ) async throws(ServiceError) -> ([ReportStatus], RenewReceipt) {
        let known = reports.compactMap { report in
            report.token.map { ReportRequest.Report(token: $0, ending: report.ending, random: environment.random()) }
        }
        var commands: [RecordCommand] = []
        if !known.isEmpty { commands.append(.report(ReportRequest(session: id, reports: known))) }
        if !undelivered.isEmpty { commands.append(.release(id, undelivered, random: environment.random())) }
        commands.append(.renew(RenewRequest(session: id, lease: settings.lease)))
        let answers = try await perform(commands, .urgent)
        guard case .renewed(let renewal) = answers.last, let renewal else { throw .sessionLost }
        guard case .reported(let statuses) = answers.first else {
            return (reports.map { _ in .leaseLost }, renewal)
        }
        guard let statuses else { throw .sessionLost }
        return (Self.aligned(statuses, to: reports.map { $0.token != nil }), renewal)
    }

    /// Puts the statuses of known tokens back to where the reports stood.
    private static func aligned(_ statuses: [ReportStatus], to isKnown: [Bool]) -> [ReportStatus] {
        var rest = statuses[...]
        return isKnown.map { $0 ? rest.popFirst() ?? .leaseLost : .leaseLost }
    }

    /// Grants that never arrived.
    ///
    /// After a restart, or when the session comes from another coordinator, the record is asked.
    private func undelivered(of id: WorkerID, _ poll: Poll) async throws(ServiceError) -> [LeaseToken] {
        let named = Set(poll.running).union(poll.reports.compactMap(\.token))
        if dispatcher.knows(id) { return dispatcher.takeUndelivered(of: id, named: named) }
        let held = try await read { (store) throws(StorageError) in try await store.leases(of: id) }
        dispatcher.sessionStarted(id)
        return held.filter { !named.contains($0) }
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
        _ reports: [(token: LeaseToken?, ending: Ending)]
    ) async throws(ServiceError) -> [ReportStatus] {
        let known = reports.compactMap { report in
            report.token.map { ReportRequest.Report(token: $0, ending: report.ending, random: environment.random()) }
        }
        let answer = try await perform(.report(ReportRequest(session: id, reports: known)), .urgent)
        guard case .reported(let statuses) = answer, let statuses else { throw .sessionLost }
        return Self.aligned(statuses, to: reports.map { $0.token != nil })
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
