// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import NIOCore
import StintWire

/// Reads the jobs of a batch, as one JSON document or, line by line as they come in, as NDJSON.
enum BatchReading {
    /// What a batch may have in all.
    static let bytesMax = 32 << 20
    private static let fields = JSONFields("jobs")

    /// The jobs, and the digest of the body if it is wanted.
    static func read(_ request: Request, wantsDigest: Bool) async throws -> (jobs: [SubmitRequest], digest: [UInt8]) {
        if request.isNDJSON { return try await readLines(request, wantsDigest: wantsDigest) }
        let body = try await request.wholeBody(bytesMax)
        let jobs = try readDocument(body.readableBytesView)
        return (jobs, wantsDigest ? SHA256.digest(of: body.readableBytesView) : [])
    }

    private static func readDocument(_ bytes: ByteBufferView) throws(JSONProblem) -> [SubmitRequest] {
        var jobs: [SubmitRequest]?
        try JSONCursor.read(bytes) { (json) throws(JSONProblem) in
            try json.object(fields) { (json, _) throws(JSONProblem) in
                var read: [SubmitRequest] = []
                try json.array { (json, index) throws(JSONProblem) in
                    guard index < SubmitLimits.batchMax else { throw tooMany }
                    read.append(try SubmitRequest(from: &json))
                }
                jobs = read
            }
        }
        guard let jobs else { throw JSONProblem("is required", pointer: "/jobs") }
        guard !jobs.isEmpty else { throw JSONProblem("a batch has at least one job", pointer: "/jobs") }
        return jobs
    }

    private static var tooMany: JSONProblem { JSONProblem("a batch has at most \(SubmitLimits.batchMax) jobs") }

    private static func readLines(
        _ request: Request,
        wantsDigest: Bool
    ) async throws -> (jobs: [SubmitRequest], digest: [UInt8]) {
        var lines = LineReader()
        var hash = SHA256()
        var received = 0
        var chunks = request.body.makeAsyncIterator()
        while let chunk = try await next(&chunks) {
            received += chunk.readableBytes
            guard received <= bytesMax else {
                throw Problem.tooLarge("the body has more than the \(bytesMax) bytes that are taken")
            }
            if wantsDigest { hash.update(chunk.readableBytesView) }
            try lines.take(chunk)
        }
        try lines.finish()
        guard !lines.jobs.isEmpty else { throw Problem.badRequest("a batch has at least one job") }
        return (lines.jobs, wantsDigest ? hash.finish() : [])
    }

    private static func next(_ chunks: inout RequestBody.AsyncIterator) async throws -> ByteBuffer? {
        do {
            return try await chunks.next()
        } catch {
            throw Problem.brokenBody(error)
        }
    }

    /// Cuts chunks into lines; empty ones do not count.
    private struct LineReader {
        /// Longer than any job can be.
        static let lineBytesMax = 1 << 20

        var jobs: [SubmitRequest] = []
        private var rest = ByteBuffer()

        mutating func take(_ chunk: ByteBuffer) throws {
            var chunk = chunk
            if rest.readableBytes == 0 { swap(&rest, &chunk) } else { rest.writeBuffer(&chunk) }
            while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let length = end - rest.readerIndex
                if let line = rest.readSlice(length: length) { try read(line) }
                rest.moveReaderIndex(forwardBy: 1)
            }
            guard rest.readableBytes <= Self.lineBytesMax else {
                var problem = Problem.tooLarge("line \(jobs.count) is longer than \(Self.lineBytesMax) bytes")
                problem.index = jobs.count
                throw problem
            }
            rest.discardReadBytes()
        }

        mutating func finish() throws {
            try read(rest)
        }

        private mutating func read(_ line: ByteBuffer) throws {
            guard line.readableBytesView.contains(where: { !isWhitespace($0) }) else { return }
            do {
                guard jobs.count < SubmitLimits.batchMax else { throw tooMany }
                jobs.append(try SubmitRequest.read(line.readableBytesView))
            } catch let error as JSONProblem {
                var problem = Problem(error)
                problem.index = jobs.count
                problem.detail = "job \(jobs.count): \(problem.detail)"
                throw problem
            }
        }

        private func isWhitespace(_ byte: UInt8) -> Bool {
            byte == 0x20 || byte == 0x09 || byte == 0x0D
        }
    }
}
