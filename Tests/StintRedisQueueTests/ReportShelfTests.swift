// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintModel
import StintStorage
import StintTestServers
import Testing

@testable import StintRedisQueue

private let endings: [Ending] = [
    .completed(result: nil), .completed(result: []), .completed(result: [0, 255, 13, 10]),
    .failed(error: JobError(type: "T", message: "ü\0", stack: ""), isRetryable: true, retryAfter: nil),
    .failed(error: JobError(type: "", message: "", stack: "s"), isRetryable: false, retryAfter: Milliseconds(5)),
    .snoozed(Milliseconds(60_000)), .released, .cancelled, .timedOut, .lost,
]

private func request(_ number: UInt64, _ endings: [Ending] = endings) -> ReportRequest {
    let reports = endings.enumerated().map { index, ending in
        ReportRequest.Report(
            token: LeaseToken(jobID: JobID(high: number, low: UInt64(index)), attempt: index + 1, nonce: .max - number),
            ending: ending,
            random: 0x0102_0304_0506_0708 &* number
        )
    }
    return ReportRequest(session: WorkerID(high: number, low: 9), reports: reports)
}

private func expectSame(_ found: ReportRequest?, _ wanted: ReportRequest) {
    #expect(found?.session == wanted.session)
    #expect(found?.reports.map(\.token) == wanted.reports.map(\.token))
    #expect(found?.reports.map(\.ending) == wanted.reports.map(\.ending))
    #expect(found?.reports.map(\.random) == wanted.reports.map(\.random))
}

@Suite("Reports as bytes")
struct ReportCodecTests {
    @Test func areReadAsTheyWereWritten() {
        expectSame(ReportCodec.decode(ReportCodec.encode(request(1))), request(1))
        expectSame(ReportCodec.decode(ReportCodec.encode(request(2, []))), request(2, []))
    }

    @Test func thatAreCutOffAreUnreadable() {
        let bytes = ReportCodec.encode(request(1))
        for count in bytes.indices { #expect(ReportCodec.decode(Array(bytes.prefix(count))) == nil, "\(count) bytes") }
        #expect(ReportCodec.decode(bytes + [0]) == nil)
    }

    @Test func ofAnotherVersionAreUnreadable() {
        var bytes = ReportCodec.encode(request(1))
        bytes[0] = 9
        #expect(ReportCodec.decode(bytes) == nil)
    }

    @Test func withAFalseCountAreUnreadable() {
        var bytes = ReportCodec.encode(request(1))
        for index in 17..<21 { bytes[index] = 0xFF }
        #expect(ReportCodec.decode(bytes) == nil)
    }
}

@Suite("The report shelf in Redis")
struct ReportShelfTests {
    @Test func keepsOrderUntilDiscarded() async throws {
        let client = try await SharedRedis.client()
        let shelf = RedisReportShelf(client: client, keys: SharedRedis.freshKeys())
        #expect(try await shelf.oldest(limit: 10).isEmpty)
        for number in 1...3 as ClosedRange<UInt64> { #expect(try await shelf.keep(request(number))) }
        let oldest = try await shelf.oldest(limit: 2)
        #expect(oldest.count == 2)
        expectSame(oldest[0].request, request(1))
        expectSame(oldest[1].request, request(2))
        #expect(try await shelf.oldest(limit: 2).map(\.place) == oldest.map(\.place), "they stay")
        try await shelf.discard(oldest)
        try await shelf.discard(oldest)
        let rest = try await shelf.oldest(limit: 10)
        #expect(rest.count == 1)
        expectSame(rest.first?.request, request(3))
        try await shelf.discard(rest)
        #expect(try await shelf.oldest(limit: 10).isEmpty)
        await client.close()
    }

    @Test func refusesWhenItIsFull() async throws {
        let client = try await SharedRedis.client()
        let shelf = RedisReportShelf(client: client, keys: SharedRedis.freshKeys(), requestsMax: 2)
        #expect(try await shelf.keep(request(1)))
        #expect(try await shelf.keep(request(2)))
        #expect(try await !shelf.keep(request(3)))
        try await shelf.discard(Array(try await shelf.oldest(limit: 1)))
        #expect(try await shelf.keep(request(3)))
        #expect(try await shelf.oldest(limit: 9).map { $0.request?.session.high } == [2, 3])
        await client.close()
    }

    @Test func refusesTooManyBytesUntilThereIsRoom() async throws {
        let client = try await SharedRedis.client()
        let keys = SharedRedis.freshKeys()
        let shelf = RedisReportShelf(client: client, keys: keys, bytesMax: 2500)
        let large = [Ending.completed(result: [UInt8](repeating: 7, count: 1000))]
        #expect(try await shelf.keep(request(1, large)))
        #expect(try await shelf.keep(request(2, large)))
        #expect(try await !shelf.keep(request(3, large)))
        try await shelf.discard(Array(try await shelf.oldest(limit: 1)))
        #expect(try await shelf.keep(request(3, large)))
        try await shelf.discard(Array(try await shelf.oldest(limit: 9)))
        #expect(try await client.call(RedisCommand("EXISTS", keys.reports, keys.reportBytes)) == .integer(0))
        await client.close()
    }

    @Test func givesGarbageBackToBeDiscarded() async throws {
        let client = try await SharedRedis.client()
        let keys = SharedRedis.freshKeys()
        let shelf = RedisReportShelf(client: client, keys: keys)
        for fields in [["request", "garbage"], ["other", "x"], ["request", "x", "more", "y"]] {
            var command = RedisCommand("XADD", keys.reports, "*")
            for field in fields { command.append(field) }
            _ = try await client.call(command)
        }
        #expect(try await shelf.keep(request(1)))
        let found = try await shelf.oldest(limit: 9)
        #expect(found.map { $0.request == nil } == [true, true, true, false])
        try await shelf.discard(found)
        #expect(try await shelf.oldest(limit: 9).isEmpty)
        await client.close()
    }

    @Test func replacesAKeyOfAnotherType() async throws {
        let client = try await SharedRedis.client()
        let keys = SharedRedis.freshKeys()
        let shelf = RedisReportShelf(client: client, keys: keys)
        _ = try await client.send([
            RedisCommand("SET", keys.reports, "x"), RedisCommand("LPUSH", keys.reportBytes, "x"),
        ])
        #expect(try await shelf.oldest(limit: 9).isEmpty)
        #expect(try await shelf.keep(request(1)))
        #expect(try await shelf.oldest(limit: 9).count == 1)
        await client.close()
    }

    @Test func isUnavailableWithRedis() async throws {
        let redis = try PrivateRedis()
        let client = try await SharedRedis.client(of: redis)
        let shelf = RedisReportShelf(client: client)
        redis.kill()
        let error = await #expect(throws: StorageError.self) { try await shelf.keep(request(1)) }
        guard case .unavailable = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        await client.close()
    }
}
