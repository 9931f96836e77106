// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
import StintStorage
import StintTestServers
import Synchronization
import Testing

@testable import StintRedisQueue

private let worker = WorkerID(high: 1, low: 2)
private let token = LeaseToken(jobID: JobID(high: 3, low: .max), attempt: 7, nonce: 5)

private let allNews: [News] = [
    .available([.work, Lane(queue: "q.1:x", name: "n-2")]),
    .available([]),
    .scheduled(Timestamp(milliseconds: 1_800_000_000_000)),
    .scheduled(Timestamp(milliseconds: -5)),
    .notices([
        .sessionEnded(worker, wasLost: true), .sessionEnded(worker, wasLost: false), .sessionDraining(worker),
        .cancelRequested(worker, token), .queuePaused("default"), .queueResumed("default"),
    ]),
    .ended([JobID(high: .max, low: 0), JobID(high: 0, low: .max)]),
    .ended([]),
]

@Suite("News as bytes")
struct NewsCodecTests {
    @Test func areReadAsTheyWereWritten() throws {
        let message = try #require(NewsCodec.decode(NewsCodec.encode(allNews, sender: .max)))
        #expect(message.sender == .max)
        #expect(message.news == allNews)
        #expect(NewsCodec.decode(NewsCodec.encode([], sender: 0))?.news == [])
    }

    @Test func ofAnUnknownKindArePassedOver() throws {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(UInt64(9))
        writer.write(UInt8(200))
        writer.writeFramed { $0.write("something new") }
        let known = NewsCodec.encode([.scheduled(Timestamp(milliseconds: 1))], sender: 0).dropFirst(9)
        let message = try #require(NewsCodec.decode(writer.bytes + known))
        #expect(message.news == [.scheduled(Timestamp(milliseconds: 1))])
    }

    @Test func ofAnotherVersionAreLeftAlone() {
        var bytes = NewsCodec.encode(allNews, sender: 1)
        bytes[0] = 2
        #expect(NewsCodec.decode(bytes) == nil)
    }

    @Test func thatAreCutOffOrGarbledDoNoHarm() {
        let bytes = NewsCodec.encode(allNews, sender: 1)
        for count in 0..<9 { #expect(NewsCodec.decode(Array(bytes.prefix(count))) == nil) }
        var read = 0
        for index in bytes.indices {
            var garbled = bytes
            garbled[index] ^= 0xFF
            if NewsCodec.decode(garbled) != nil { read += 1 }
            if NewsCodec.decode(Array(bytes.prefix(index))) != nil { read += 1 }
        }
        #expect(read > 0, "some of it only changes a value")
    }
}

/// What a listener heard.
private final class Heard: Sendable {
    private let state = Mutex<(news: [News], gaps: Int)>(([], 0))
    var news: [News] { state.withLock { $0.news } }
    var gaps: Int { state.withLock { $0.gaps } }
    func note(_ news: [News]) { state.withLock { $0.news += news } }
    func noteGap() { state.withLock { $0.gaps += 1 } }
}

@Suite("The news channel over Redis")
struct NewsChannelTests {
    private func listen(_ channel: RedisNewsChannel) -> (Heard, Task<Void, Never>) {
        let heard = Heard()
        let task = Task {
            await channel.listen(onGap: { heard.noteGap() }, onNews: { heard.note($0) })
        }
        return (heard, task)
    }

    private func until(_ condition: () -> Bool) async throws {
        let start = ContinuousClock.now
        while !condition() {
            try #require(start.duration(to: .now) < .seconds(60))
            try await Task.sleep(for: .milliseconds(5))  // another process's turn
        }
    }

    @Test func newsReachAllOthersAndNotTheirSender() async throws {
        let client = try await SharedRedis.client()
        let keys = SharedRedis.freshKeys()
        let ours = RedisNewsChannel(client: client, keys: keys, logger: SharedRedis.silent)
        let theirs = RedisNewsChannel(client: client, keys: keys, logger: SharedRedis.silent)
        let (ourNews, ourTask) = listen(ours)
        let (theirNews, theirTask) = listen(theirs)
        try await until { ourNews.gaps == 1 && theirNews.gaps == 1 }
        await ours.publish(allNews)
        await ours.publish([])
        _ = try await client.call(RedisCommand("PUBLISH", keys.news, "garbage"))
        await theirs.publish([.ended([])])
        try await until { ourNews.news.count == 1 && theirNews.news.count == allNews.count }
        #expect(ourNews.news == [.ended([])])
        #expect(theirNews.news == allNews)
        ourTask.cancel()
        theirTask.cancel()
        await ourTask.value
        await theirTask.value
        await client.close()
    }

    @Test func anOutageIsAGapAndPublishingDuringItReturnsAtOnce() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let channel = RedisNewsChannel(client: client, logger: SharedRedis.silent)
        let (heard, task) = listen(channel)
        try await until { heard.gaps == 1 }
        redis.kill()
        await channel.publish(allNews)
        await channel.publish(allNews)
        try redis.start()
        try await until { heard.gaps == 2 }
        task.cancel()
        await task.value
        await client.close()
    }
}
