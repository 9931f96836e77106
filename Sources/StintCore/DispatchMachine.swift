// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Who gets the next job, and which parked poll is answered when.
///
/// **Model.** A worker session has at most one poll here. A poll is *parked* (may be given jobs), or *leasing* (jobs were
/// chosen for it and the record is being asked to lease them). It is answered exactly once: with jobs, or empty because
/// its time is up, a newer poll superseded it, there is a new cancellation or drain order, its session ended, or the
/// coordinator stops.
///
/// **Selection.** Of the parked sessions that serve a job's lane, the one that was given a job longest ago gets it; sessions
/// never given any come first, in the order they parked. Every single job counts as an assignment, so that slots fill evenly
/// and a newcomer gets one job per round.
///
/// **Undelivered grants.** The tokens of the last answer stay with the session until its next poll names them. What it does not
/// name never arrived.
///
/// Times are monotonic nanoseconds, passed in.
package struct DispatchMachine: Sendable {
    /// Names one arrival of a poll.
    package typealias PollID = UInt64

    /// A poll whose session was renewed and whose results were applied.
    package struct Poll: Sendable {
        package var id: PollID
        package var session: WorkerID
        package var capabilities: Capabilities
        package var freeSlots: Int
        package var deadline: Int64
        /// All leases of the session whose jobs are called off.
        package var cancelled: [LeaseToken]
        package var isDraining: Bool

        package init(
            id: PollID,
            session: WorkerID,
            capabilities: Capabilities,
            freeSlots: Int,
            deadline: Int64,
            cancelled: [LeaseToken] = [],
            isDraining: Bool = false
        ) {
            self.id = id
            self.session = session
            self.capabilities = capabilities
            self.freeSlots = freeSlots
            self.deadline = deadline
            self.cancelled = cancelled
            self.isDraining = isDraining
        }
    }

    /// What the driver must do, in order.
    package enum Action: Hashable, Sendable {
        /// Answer the poll without jobs.
        case answerEmpty(PollID)
        /// Ask the record to lease these jobs to the session, then call ``leaseSettled(session:granted:now:)``.
        case lease(WorkerID, [ReadyJob])
        /// Put these back on the belt: nobody here can take them now.
        case putBack([ReadyJob])
    }

    /// Where the jobs of a settled lease go.
    package enum Delivery: Hashable, Sendable {
        /// Answer this poll with them.
        case answer(PollID)
        /// Nothing was granted; the poll goes on waiting.
        case waiting
        /// Nobody waits any more. The session's next poll will not name them, and they are released.
        case nobody
    }

    struct Current: Sendable {
        var poll: Poll
        var isLeasing = false
        /// Where the session stood before it was assigned what is being leased: if nothing comes of it, it stands there again.
        var placeBefore: Place?
    }

    /// A session's place in the order of service.
    struct Place: Sendable {
        var lastAssigned: UInt64
        var parkedAs: UInt64
    }

    struct Session: Sendable {
        var current: Current?
        /// 0: never given a job.
        var lastAssigned: UInt64 = 0
        var unconfirmed: Set<LeaseToken> = []
        var toldCancelled: Set<LeaseToken> = []
        var cancelled: Set<LeaseToken> = []
        var isDraining = false
        var wasToldToDrain = false
        /// Another coordinator's answer may have been lost: the record is to be asked what the session holds.
        var mayHoldUnknown = false
    }

    /// A session that can be given a job, in the array's order.
    struct Candidate: Sendable {
        var lastAssigned: UInt64
        var parkedAs: UInt64
        var session: WorkerID
        var freeSlots: Int
        var lanes: LaneSet
    }

    var sessions: [WorkerID: Session] = [:]
    /// Sorted: least recently assigned first.
    var candidates: [Candidate] = []
    private var assignments: UInt64 = 0
    private var parkings: UInt64 = 0
    private var isStopping = false

    package init() {}

    // MARK: Sessions

    /// A session registered here: it holds nothing.
    package mutating func sessionStarted(_ id: WorkerID) {
        if sessions[id] == nil { sessions[id] = Session() }
    }

    /// Whether anything is kept of the session.
    package func knows(_ id: WorkerID) -> Bool { sessions[id] != nil }

    /// The session polled another coordinator before, or another start of this one: what it was granted there is not known here.
    package mutating func sessionMovedHere(_ id: WorkerID) {
        sessions[id, default: Session()].unconfirmed = []
        sessions[id]?.mayHoldUnknown = true
    }

    /// Something was to be leased to the session, or its move here to be written, and whether it was is not known.
    package mutating func outcomeIsUnknown(for id: WorkerID) {
        sessions[id]?.mayHoldUnknown = true
    }

    /// Whether the record must be asked what the session holds.
    package func mayHoldUnknown(_ id: WorkerID) -> Bool { sessions[id]?.mayHoldUnknown ?? false }

    /// The record was asked, and what the session does not know of was released.
    package mutating func unknownWasReleased(_ id: WorkerID) {
        sessions[id]?.mayHoldUnknown = false
    }

    /// The session was lost or said goodbye.
    package mutating func sessionEnded(_ id: WorkerID) -> [Action] {
        let actions = answerCurrent(of: id)
        sessions[id] = nil
        return actions
    }

    /// A running job of the session was called off: a poll that has not heard of it is answered.
    package mutating func cancelRequested(_ id: WorkerID, _ token: LeaseToken) -> [Action] {
        guard sessions[id]?.cancelled.insert(token).inserted == true else { return [] }
        return answerCurrentUnlessLeasing(of: id)
    }

    /// The session was told to drain.
    package mutating func drainRequested(_ id: WorkerID) -> [Action] {
        guard sessions[id]?.isDraining == false else { return [] }
        sessions[id]?.isDraining = true
        return answerCurrentUnlessLeasing(of: id)
    }

    /// What the answer to a poll of this session must say besides jobs; it counts as told.
    package mutating func news(for id: WorkerID) -> (cancelled: [LeaseToken], isDraining: Bool) {
        guard var session = sessions[id] else { return ([], false) }
        session.toldCancelled = session.cancelled
        session.wasToldToDrain = session.isDraining
        sessions[id] = session
        return (session.cancelled.sorted { $0.jobID < $1.jobID }, session.isDraining)
    }

    // MARK: Polls

    /// The grants of the last answer that the session's next poll does not name: they never arrived.
    ///
    /// They are forgotten here; the driver releases them.
    package mutating func takeUndelivered(of id: WorkerID, named: Set<LeaseToken>) -> [LeaseToken] {
        guard let unconfirmed = sessions[id]?.unconfirmed, !unconfirmed.isEmpty else { return [] }
        sessions[id]?.unconfirmed = []
        return unconfirmed.subtracting(named).sorted { $0.jobID < $1.jobID }
    }

    /// What was taken could not be released: the next poll finds it again.
    package mutating func restoreUndelivered(_ tokens: [LeaseToken], of id: WorkerID) {
        sessions[id]?.unconfirmed.formUnion(tokens)
    }

    /// Takes in a poll.
    ///
    /// An older one of the session is answered empty.
    package mutating func park(_ poll: Poll) -> [Action] {
        var session = sessions[poll.session] ?? Session()
        var actions: [Action] = []
        let wasLeasing = session.current?.isLeasing ?? false
        let placeBefore = session.current?.placeBefore
        if let older = session.current {
            removeCandidate(poll.session)
            actions.append(.answerEmpty(older.poll.id))
        }
        session.cancelled = Set(poll.cancelled)
        session.toldCancelled.formIntersection(session.cancelled)
        session.isDraining = session.isDraining || poll.isDraining
        let hasNews = session.cancelled != session.toldCancelled || session.isDraining != session.wasToldToDrain
        // Jobs on their way to the older poll will be answered to this one: it must not ask for more meanwhile.
        session.current = Current(poll: poll, isLeasing: wasLeasing, placeBefore: placeBefore)
        sessions[poll.session] = session
        if isStopping || (hasNews && !wasLeasing) {
            return actions + answerCurrent(of: poll.session)
        }
        if !wasLeasing { addCandidate(poll.session) }
        return actions
    }

    /// The client of the session's poll has gone: it is answered, to nobody, and given no jobs.
    ///
    /// A poll for which a lease is being written is left alone: its jobs will be found undelivered at the next poll.
    package mutating func withdraw(_ id: WorkerID) -> [Action] {
        answerCurrentUnlessLeasing(of: id)
    }

    /// The sessions that have a poll here, sorted.
    package var waitingSessions: [WorkerID] {
        sessions.filter { $0.value.current != nil }.map(\.key).sorted()
    }

    /// Answers the polls whose time is up.
    package mutating func expire(now: Int64) -> [Action] {
        let due = sessions.values.compactMap(\.current)
            .filter { !$0.isLeasing && $0.poll.deadline <= now }
            .sorted { $0.poll.id < $1.poll.id }
        return due.flatMap { answerCurrent(of: $0.poll.session) }
    }

    /// When the next parked poll's time is up.
    package var nextDeadline: Int64? {
        sessions.values.compactMap(\.current).filter { !$0.isLeasing }.map(\.poll.deadline).min()
    }

    /// Answers every poll, now and from now on: the coordinator stops.
    package mutating func stop() -> [Action] {
        isStopping = true
        return sessions.keys.sorted().flatMap { answerCurrentUnlessLeasing(of: $0) }
    }

    // MARK: Assignment

    /// Which lanes are wanted by sessions with a free slot, and how many jobs they can take together; nil for none.
    package func demand() -> (lanes: [Capabilities], slots: Int)? {
        guard !candidates.isEmpty, !isStopping else { return nil }
        var capabilities: Set<Capabilities> = []
        var slots = 0
        for candidate in candidates {
            slots += candidate.freeSlots
            capabilities.insert(candidate.lanes.capabilities)
        }
        return (Array(capabilities), slots)
    }

    /// Gives jobs, in serving order, to parked sessions, least recently assigned first.
    package mutating func assign(_ jobs: [ReadyJob]) -> [Action] {
        var given: [WorkerID: [ReadyJob]] = [:]
        var order: [WorkerID] = []
        var leftOver: [ReadyJob] = []
        for job in jobs {
            guard let index = candidates.firstIndex(where: { $0.lanes.contains(job.lane) }) else {
                leftOver.append(job)
                continue
            }
            var candidate = candidates.remove(at: index)
            if given[candidate.session] == nil {
                let place = Place(lastAssigned: candidate.lastAssigned, parkedAs: candidate.parkedAs)
                sessions[candidate.session]?.current?.placeBefore = place
            }
            assignments += 1
            candidate.lastAssigned = assignments
            candidate.freeSlots -= 1
            if given[candidate.session, default: []].isEmpty { order.append(candidate.session) }
            given[candidate.session, default: []].append(job)
            sessions[candidate.session]?.lastAssigned = assignments
            if candidate.freeSlots > 0 { candidates.append(candidate) }
        }
        var actions: [Action] = []
        for id in order {
            removeCandidate(id)
            sessions[id]?.current?.isLeasing = true
            actions.append(.lease(id, given[id] ?? []))
        }
        if !leftOver.isEmpty { actions.append(.putBack(leftOver)) }
        return actions
    }

    /// The record has answered a `lease` action (or could not: then nothing was granted).
    package mutating func leaseSettled(
        session id: WorkerID,
        granted: [LeaseToken],
        now: Int64
    ) -> (delivery: Delivery, actions: [Action]) {
        guard var session = sessions[id] else { return (.nobody, []) }
        session.unconfirmed.formUnion(granted)
        guard var current = session.current else {
            sessions[id] = session
            return (.nobody, [])
        }
        if !granted.isEmpty {
            session.current = nil
            sessions[id] = session
            return (.answer(current.poll.id), [])
        }
        current.isLeasing = false
        let place = current.placeBefore
        current.placeBefore = nil
        session.current = current
        session.lastAssigned = place?.lastAssigned ?? session.lastAssigned
        sessions[id] = session
        let hasNews = session.cancelled != session.toldCancelled || session.isDraining != session.wasToldToDrain
        if isStopping || hasNews || current.poll.deadline <= now { return (.waiting, answerCurrent(of: id)) }
        addCandidate(id, parkedAs: place?.parkedAs)
        return (.waiting, [])
    }

    // MARK: The short way

    /// Whether a poll that arrives from this session may be given jobs before it is parked.
    ///
    /// Only where that comes to the same as parking it: nobody else waits, so the session is the least recently assigned
    /// of those who ask, and no older poll of its own is here.
    package func canServeAtOnce(_ id: WorkerID) -> Bool {
        guard candidates.isEmpty, !isStopping, let session = sessions[id] else { return false }
        return session.current == nil && !session.isDraining
    }

    /// The record has leased jobs to a poll that was never parked.
    package mutating func servedAtOnce(_ id: WorkerID, _ granted: [LeaseToken]) {
        guard sessions[id] != nil, !granted.isEmpty else { return }
        assignments += UInt64(granted.count)
        sessions[id]?.lastAssigned = assignments
        sessions[id]?.unconfirmed.formUnion(granted)
    }

    /// Takes in what a renewal told of a session whose poll is answered without being parked.
    package mutating func note(cancelled: [LeaseToken], isDraining: Bool, for id: WorkerID) {
        sessions[id]?.cancelled = Set(cancelled)
        if isDraining { sessions[id]?.isDraining = true }
    }

    // MARK: Keeping order

    private mutating func answerCurrentUnlessLeasing(of id: WorkerID) -> [Action] {
        guard let current = sessions[id]?.current, !current.isLeasing else { return [] }
        return answerCurrent(of: id)
    }

    private mutating func answerCurrent(of id: WorkerID) -> [Action] {
        guard let current = sessions[id]?.current else { return [] }
        removeCandidate(id)
        sessions[id]?.current = nil
        return [.answerEmpty(current.poll.id)]
    }

    /// - Parameter parkedAs: The place among those never given a job, nil for the last one.
    private mutating func addCandidate(_ id: WorkerID, parkedAs: UInt64? = nil) {
        guard let session = sessions[id], let poll = session.current?.poll, poll.freeSlots > 0, !session.isDraining
        else { return }
        if parkedAs == nil { parkings += 1 }
        let candidate = Candidate(
            lastAssigned: session.lastAssigned,
            parkedAs: parkedAs ?? parkings,
            session: id,
            freeSlots: poll.freeSlots,
            lanes: LaneSet(poll.capabilities)
        )
        var (low, high) = (0, candidates.count)
        while low < high {
            let middle = (low + high) / 2
            let other = candidates[middle]
            if (other.lastAssigned, other.parkedAs) < (candidate.lastAssigned, candidate.parkedAs) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        candidates.insert(candidate, at: low)
    }

    private mutating func removeCandidate(_ id: WorkerID) {
        if let index = candidates.firstIndex(where: { $0.session == id }) { candidates.remove(at: index) }
    }
}
