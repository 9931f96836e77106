// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import NIOCore
import StintTestKit
import StintWire
import Testing

@testable import StintHTTP

@Suite("Batches as lines, however the network cuts them")
struct BatchReadingTests {
    private static func request(_ bytes: [UInt8], piecesOf size: (Int) -> Int) -> Request {
        var chunks: [ByteBuffer] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = max(1, size(chunks.count))
            chunks.append(ByteBuffer(bytes: rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        let stream = AsyncStream { continuation in
            for chunk in chunks { continuation.yield(chunk) }
            continuation.finish()
        }
        let head = HTTPRequest(
            method: .post,
            scheme: "http",
            authority: "localhost",
            path: "/v1/jobs/batch",
            headerFields: [.contentType: "application/x-ndjson; charset=utf-8"]
        )
        return Request(head: head, body: RequestBody(asyncSequence: stream))
    }

    private static let lines = [
        #"{"name":"a"}"#, #"{"name":"b","payload":"é\n😀"}"#, "", "  \t\r", #" {"name":"c","payload":{"k":[1,2.50]}} "#,
        #"{"name":"d","tags":["x"]}"# + "\r",
    ]

    private static let names = ["a", "b", "c", "d"]

    @Test(arguments: [true, false], 1...40)
    func piecesOfAnySizeGiveTheSameJobs(endsWithNewline: Bool, size: Int) async throws {
        let text = Self.lines.joined(separator: "\n") + (endsWithNewline ? "\n" : "")
        let request = Self.request(Array(text.utf8)) { _ in size }
        let (jobs, digest) = try await BatchReading.read(request, wantsDigest: true)
        #expect(jobs.map(\.name) == Self.names)
        #expect(jobs[1].payload == Array(#""é\n😀""#.utf8) && jobs[2].payload == Array(#"{"k":[1,2.50]}"#.utf8))
        #expect(digest == SHA256.digest(of: text.utf8))
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func piecesOfRandomSizesGiveTheSameJobs(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let count = random.int(1...200)
        let text = (0..<count).map { #"{"name":"job-\#($0)","payload":"\#(String(repeating: "é", count: $0))"}"# }
            .joined(separator: "\n")
        var sizes = (0..<text.utf8.count).map { _ in random.int(1...300) }[...]
        let request = Self.request(Array(text.utf8)) { _ in sizes.popFirst() ?? 1 }
        let (jobs, _) = try await BatchReading.read(request, wantsDigest: false)
        #expect(jobs.map(\.name) == (0..<count).map { "job-\($0)" }, "seed \(seed)")
        #expect(jobs.allSatisfy { !$0.payload.isEmpty }, "seed \(seed)")
    }

    @Test(arguments: [1, 7, 1000])
    func aBadLineIsNamedByTheIndexOfItsJob(size: Int) async throws {
        let text = #"{"name":"a"}"# + "\n\n" + #"{"name":"b","nme":1}"# + "\n" + #"{"name":"c"}"#
        let problem = await #expect(throws: Problem.self) {
            try await BatchReading.read(Self.request(Array(text.utf8)) { _ in size }, wantsDigest: false)
        }
        #expect(problem?.status == .badRequest && problem?.index == 1)
        #expect(problem?.errors.map(\.pointer) == ["/nme"])
    }

    @Test func aLineWithoutEndIsCutOff() async throws {
        let bytes = Array(#"{"name":"a"}"#.utf8) + [10] + [UInt8](repeating: UInt8(ascii: " "), count: 2 << 20)
        let problem = await #expect(throws: Problem.self) {
            try await BatchReading.read(Self.request(bytes) { _ in 65_536 }, wantsDigest: false)
        }
        #expect(problem?.status == .contentTooLarge && problem?.index == 1)
    }

    @Test(arguments: ["", "\n", "  \n\t\n"])
    func aBatchWithoutAJobIsRefused(_ text: String) async throws {
        let problem = await #expect(throws: Problem.self) {
            try await BatchReading.read(Self.request(Array(text.utf8)) { _ in 2 }, wantsDigest: false)
        }
        #expect(problem?.status == .badRequest)
    }

    @Test func moreThanTenThousandJobsAreRefused() async throws {
        let text = String(repeating: #"{"name":"a"}"# + "\n", count: 10_001)
        let problem = await #expect(throws: Problem.self) {
            try await BatchReading.read(Self.request(Array(text.utf8)) { _ in 65_536 }, wantsDigest: false)
        }
        #expect(problem?.status == .badRequest && problem?.index == 10_000)
    }
}
