// SPDX-License-Identifier: Apache-2.0

package import RedisDriver
package import StintModel
package import StintStorage
import Synchronization

/// The belt in Redis, which all server processes of a fleet share.
///
/// It holds a window of each lane, as the belt in process does, and like it asks for what comes behind. Which lane is known how
/// far, and who is reading a refill, stands in Redis beside the jobs and is changed in the same steps (``BeltScripts``).
///
/// A command whose answer is lost may have been carried out: jobs taken so are missing from the belt until a reconciliation finds
/// them (``missing(among:)``, ``absent(among:)``).
package final class RedisReadyQueue: ReadyQueue {
    /// Jobs that one run of a script puts.
    private static let putMax = 1000
    /// How long a refill may take before another process may read it too.
    static let claimLength = Milliseconds(15_000)
    /// Refills that one call claims.
    static let claimsMax = 16

    let client: RedisClient
    let keys: RedisKeys
    let window: Int
    let desk = Mutex(RefillDesk())

    /// - Parameter window: Jobs kept per lane; a lane never holds much more than twice as many.
    package init(client: RedisClient, keys: RedisKeys = RedisKeys(), window: Int = 8192) {
        self.client = client
        self.keys = keys
        self.window = window
    }

    package func put(_ jobs: [ReadyJob]) async throws(StorageError) {
        guard !jobs.isEmpty else { return }
        var runs: [RedisScript.Run] = []
        for (lane, inLane) in Dictionary(grouping: jobs, by: \.lane) {
            for first in stride(from: 0, to: inLane.count, by: Self.putMax) {
                let portion = inLane[first..<min(first + Self.putMax, inLane.count)]
                var arguments = RedisCommand(reservingBytes: 128 + portion.count * 48)
                arguments.append(epoch)
                arguments.append(window)
                arguments.append(lane.queue)
                arguments.append(lane.name)
                arguments.append(orders: portion)
                runs.append(RedisScript.Run(keys: laneKeys(lane), arguments: arguments))
            }
        }
        for reply in try await run(BeltScripts.put, runs) where reply.asInteger == 1 { noteRefillDue() }
    }

    package func take(_ demand: LaneDemand, limit: Int) async throws(StorageError) -> [ReadyJob] {
        guard limit > 0, !demand.isEmpty else { return [] }
        var arguments = RedisCommand(reservingBytes: 256)
        arguments.append(keys.prefix)
        arguments.append(limit)
        arguments.append(window)
        for (queue, names) in demand.queues {
            arguments.append(queue)
            arguments.append(names.isEveryName ? -1 : names.names.count)
            if !names.isEveryName {
                for name in names.names { arguments.append(name) }
            }
        }
        let reply = try await run(BeltScripts.take, [RedisScript.Run(arguments: arguments)]).first
        guard let parts = reply?.asArray, let isDue = parts.first?.asInteger else { throw .unreadableReply }
        if isDue == 1 { noteRefillDue() }
        return Self.jobs(parts.dropFirst())
    }

    package func reset(_ lanes: [Lane]) async throws(StorageError) {
        guard !lanes.isEmpty else { return }
        _ = try await run(BeltScripts.reset, [RedisScript.Run(arguments: arguments(naming: lanes))])
        noteRefillDue()
    }

    package func missing(among lanes: [Lane]) async throws(StorageError) -> [Lane] {
        guard !lanes.isEmpty else { return [] }
        let reply = try await run(BeltScripts.missing, [RedisScript.Run(arguments: arguments(naming: lanes))]).first
        return try Self.select(lanes, by: reply)
    }

    /// Those of the jobs, which are available in the record, that should be on the belt and are not.
    ///
    /// A job that was taken and is just being leased is among them, so only one that is absent time after time was lost.
    package func absent(among jobs: [ReadyJob]) async throws(StorageError) -> [ReadyJob] {
        var absent: [ReadyJob] = []
        for (lane, inLane) in Dictionary(grouping: jobs, by: \.lane) {
            var arguments = RedisCommand(reservingBytes: 128 + inLane.count * 48)
            arguments.append(epoch)
            arguments.append(orders: inLane[...])
            let run = RedisScript.Run(keys: [keys.jobs(lane), keys.state(lane)], arguments: arguments)
            absent += try Self.select(inLane, by: try await self.run(BeltScripts.absent, [run]).first)
        }
        return absent
    }

    package func depth() async throws(StorageError) -> Int {
        var arguments = RedisCommand()
        arguments.append(keys.prefix)
        let reply = try await run(BeltScripts.depth, [RedisScript.Run(arguments: arguments)]).first
        guard let count = reply?.asInteger else { throw .unreadableReply }
        return Int(count)
    }
}

// MARK: - Words of the scripts

extension RedisReadyQueue {
    /// Names the server's run; what was written under another is not relied on.
    var epoch: String {
        let run = client.serverRunID
        return run.isEmpty ? "unnamed" : run
    }

    func laneKeys(_ lane: Lane) -> [String] {
        [
            keys.jobs(lane), keys.state(lane), keys.aside(lane), keys.lanes(queue: lane.queue), keys.queues,
            keys.refills,
        ]
    }

    private func arguments(naming lanes: [Lane]) -> RedisCommand {
        var arguments = RedisCommand(reservingBytes: 128 + lanes.count * 64)
        arguments.append(keys.prefix)
        arguments.append(epoch)
        for lane in lanes {
            arguments.append(lane.queue)
            arguments.append(lane.name)
        }
        return arguments
    }

    /// Runs a script; an error of any run is thrown.
    func run(_ script: RedisScript, _ runs: [RedisScript.Run]) async throws(StorageError) -> [RedisReply] {
        do throws(RedisError) {
            let replies = try await client.run(script, runs)
            for reply in replies { _ = try reply.get() }
            return replies
        } catch {
            throw StorageError(error)
        }
    }

    /// The elements whose numbers a script gave.
    private static func select<Element>(
        _ elements: [Element],
        by reply: RedisReply?
    ) throws(StorageError) -> [Element] {
        guard let numbers = reply?.asArray else { throw .unreadableReply }
        return numbers.compactMap { number in
            number.asInteger.flatMap { elements.indices.contains(Int($0)) ? elements[Int($0)] : nil }
        }
    }

    /// Jobs in serving order, from identifiers of lanes and lists of ids and scores.
    ///
    /// What cannot be a job is dropped: it has left the belt with the rest.
    private static func jobs(_ parts: ArraySlice<RedisReply>) -> [ReadyJob] {
        var jobs: [ReadyJob] = []
        var laneCount = 0
        var rest = parts
        while let identifier = rest.popFirst(), let rows = rest.popFirst() {
            guard let lane = identifier.asText.flatMap(RedisKeys.lane(identifier:)), let rows = rows.asArray else {
                continue
            }
            laneCount += 1
            jobs.reserveCapacity(jobs.count + rows.count / 2)
            for index in stride(from: 0, to: rows.count - 1, by: 2) {
                guard let order = ServingOrder(member: rows[index], score: rows[index + 1]) else { continue }
                jobs.append(ReadyJob(lane: lane, order: order))
            }
        }
        if laneCount > 1 { jobs.sort { $0.order < $1.order } }
        return jobs
    }
}

extension RedisCommand {
    /// Adds score and id of each job.
    mutating func append(orders jobs: ArraySlice<ReadyJob>) {
        for job in jobs {
            append(job.order.score)
            append(high: job.order.id.high, low: job.order.id.low)
        }
    }
}

extension ServingOrder {
    /// The largest number up to which Redis's floating-point scores are exact.
    private static let scoreMax: Int64 = 1 << 53

    /// The key as a score.
    ///
    /// Instants as far away as the limit, in 280,000 years, lose their order among each other and nothing else.
    var score: Int64 { min(max(key, -Self.scoreMax), Self.scoreMax) }

    /// Nil for what was not written by ``score`` and the id's bytes.
    init?(member: RedisReply, score: RedisReply) {
        guard let id = member.asBytes.flatMap(JobID.init(bytes:)), let key = score.asInteger else { return nil }
        self.init(key: key, id: id)
    }
}

extension UUIDv7 {
    /// Nil unless these are 16 bytes.
    init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in 0..<8 {
            high = high << 8 | UInt64(bytes[index])
            low = low << 8 | UInt64(bytes[index + 8])
        }
        self.init(high: high, low: low)
    }
}
