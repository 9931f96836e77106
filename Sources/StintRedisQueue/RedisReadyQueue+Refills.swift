// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
package import StintStorage
import Synchronization

/// What this process knows of refills: which it has claimed, and whether it is worth asking for more.
struct RefillDesk {
    /// How often Redis is asked even though nothing told that a refill is due: claims of processes that died fall due silently.
    static let lookInterval = Duration.seconds(1)

    private var tokens: [Lane: [UInt8]] = [:]
    private var isDue = true
    private var lastLook: ContinuousClock.Instant?

    mutating func noteDue() {
        isDue = true
    }

    /// Whether to ask now; if so, it counts as asked.
    mutating func shouldLook(now: ContinuousClock.Instant) -> Bool {
        if !isDue, let lastLook, lastLook.duration(to: now) < Self.lookInterval { return false }
        isDue = false
        lastLook = now
        return true
    }

    mutating func claimed(_ lane: Lane, _ token: [UInt8]) {
        tokens[lane] = token
    }

    /// The token of a refill that comes back, nil when it was not claimed here.
    mutating func settle(_ lane: Lane) -> [UInt8]? {
        tokens.removeValue(forKey: lane)
    }
}

extension RedisReadyQueue {
    func noteRefillDue() {
        desk.withLock { $0.noteDue() }
    }

    /// Claims refills for this process.
    ///
    /// A claim that is not answered within ``claimLength`` is open to others.
    package func refillRequests() async throws(StorageError) -> [RefillRequest] {
        guard desk.withLock({ $0.shouldLook(now: .now) }) else { return [] }
        let token = Self.newToken()
        var arguments = RedisCommand()
        arguments.append(keys.prefix)
        arguments.append(epoch)
        arguments.append(token)
        arguments.append(Self.claimLength.count)
        arguments.append(Self.claimsMax)
        let parts: [RedisReply]
        do throws(StorageError) {
            let reply = try await run(BeltScripts.claim, [RedisScript.Run(arguments: arguments)]).first
            guard let array = reply?.asArray else { throw .unreadableReply }
            parts = array
        } catch {
            noteRefillDue()
            throw error
        }
        if parts.count >= 3 * Self.claimsMax { noteRefillDue() }
        return stride(from: 0, to: parts.count - 2, by: 3).compactMap { index in
            let after = Self.horizon(score: parts[index + 1], member: parts[index + 2])
            guard let lane = parts[index].asText.flatMap(RedisKeys.lane(identifier:)) else { return nil }
            desk.withLock { $0.claimed(lane, token) }
            return RefillRequest(lane: lane, after: after, limit: window)
        }
    }

    package func refill(_ refill: Refill) async throws(StorageError) {
        let lane = refill.request.lane
        guard let token = desk.withLock({ $0.settle(lane) }) else { return }
        let jobs = refill.jobs ?? []
        var arguments = RedisCommand(reservingBytes: 256 + jobs.count * 48)
        arguments.append(epoch)
        arguments.append(token)
        arguments.append(window)
        arguments.append(lane.queue)
        arguments.append(lane.name)
        arguments.append(refill.jobs == nil ? "failed" : refill.isComplete ? "complete" : "partial")
        arguments.append(orders: jobs[...])
        let run = RedisScript.Run(keys: laneKeys(lane), arguments: arguments)
        if try await self.run(BeltScripts.refill, [run]).first?.asInteger == 1 { noteRefillDue() }
    }

    /// Before everything, for a lane of which nothing is known.
    private static func horizon(score: RedisReply, member: RedisReply) -> ServingOrder {
        ServingOrder(member: member, score: score) ?? ServingOrder(key: .min, id: JobID(high: 0, low: 0))
    }

    private static func newToken() -> [UInt8] {
        JobID(high: .random(in: .min ... .max), low: .random(in: .min ... .max)).bytes
    }
}
