// SPDX-License-Identifier: Apache-2.0

import NIOPosix
import StintClient
import StintModel
import StintWire

/// Jobs to try Stint with: each keeps a machine busy in its own way.
struct SampleWorkload: Sendable {
    /// What all durations and amounts are multiplied by.
    var timeScale: Double
    /// What `network_task` asks.
    var networkURL: String

    /// A payload that contains this word makes the job fail.
    static let failingWord = "invalid_job"

    func run(_ job: RawJob, _ context: JobContext) async throws -> [UInt8] {
        if String(decoding: job.payload, as: UTF8.self).contains(Self.failingWord) {
            throw JobFailure("the payload contains \(Self.failingWord)", type: "InvalidJob")
        }
        switch job.name {
        case "cpu_intensive": return try await compute(job, context, seconds: .random(in: 1...3))
        case "io_intensive": return try await store(context, chunks: .random(in: 64...192))
        case "mixed_workload":
            _ = try await compute(job, context, seconds: .random(in: 0.5...1.5))
            return try await store(context, chunks: .random(in: 32...96))
        case "network_task": return try await fetch(context)
        default: return try await sleep(context)
        }
    }

    // MARK: CPU

    /// Hashes until the time is up, letting others have the thread every few milliseconds.
    private func compute(_ job: RawJob, _ context: JobContext, seconds: Double) async throws -> [UInt8] {
        let clock = ContinuousClock()
        let start = clock.now
        let span = Duration.seconds(seconds * timeScale)
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        var rounds = 0
        while clock.now - start < span {
            try Task.checkCancellation()
            for _ in 0..<200_000 {
                digest = (digest ^ UInt64(truncatingIfNeeded: rounds)) &* 0x0000_0100_0000_01B3
                rounds += 1
            }
            context.progress(percent: min(100, 100 * ((clock.now - start) / span)), message: "hashing")
            await Task.yield()
        }
        return JSONWriter.write { writer in
            writer.object { writer in
                writer.name("rounds")
                writer.int(rounds)
                writer.name("digest")
                writer.string(String(digest, radix: 16))
            }
        }
    }

    // MARK: Files

    private static let chunkBytes = 256 << 10

    /// Writes a temporary file chunk by chunk and reads it back.
    private func store(_ context: JobContext, chunks: Int) async throws -> [UInt8] {
        let count = max(1, Int(Double(chunks) * timeScale))
        let (written, isSame) = try await NIOThreadPool.singleton.runIfActive {
            try SampleFile.writeAndRead(chunks: count, chunkBytes: Self.chunkBytes) { fraction in
                context.progress(percent: fraction * 100, message: "writing and reading")
                return !context.isCancelled
            }
        }
        if context.isCancelled { throw CancellationError() }
        guard isSame else { throw JobFailure("the file does not hold what was written", type: "FileDamaged") }
        return JSONWriter.write { writer in
            writer.object { writer in
                writer.name("bytes")
                writer.int(written)
            }
        }
    }

    // MARK: Network

    private static let requests = 5

    private func fetch(_ context: JobContext) async throws -> [UInt8] {
        let transport = HTTPTransport(HTTPTransport.Configuration(address: try ServerAddress(networkURL)))
        let statuses: [Int]
        do {
            statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<Self.requests {
                    group.addTask { try await transport.send(HTTPCall(.get, "")).status }
                }
                var statuses: [Int] = []
                for try await status in group {
                    statuses.append(status)
                    context.progress(percent: Double(statuses.count * 100 / Self.requests), message: "fetching")
                }
                return statuses
            }
        } catch {
            await transport.shutdown()
            if Task.isCancelled { throw CancellationError() }
            throw JobFailure("\(networkURL) does not answer: \(error)", type: "NetworkFailure")
        }
        await transport.shutdown()
        guard statuses.allSatisfy({ $0 < 500 }) else {
            throw JobFailure("\(networkURL) answered \(statuses)", type: "NetworkFailure")
        }
        return JSONWriter.write { writer in
            writer.object { writer in
                writer.name("statuses")
                writer.array(statuses) { $0.int($1) }
            }
        }
    }

    // MARK: Any other name

    /// Sleeps: six in ten a moment, three in ten some seconds, one in ten long.
    private func sleep(_ context: JobContext) async throws -> [UInt8] {
        let kind = Int.random(in: 0..<10)
        let seconds: Double =
            switch kind {
            case 0..<6: .random(in: 0.1...1)
            case 6..<9: .random(in: 1...10)
            default: .random(in: 10...50)
            }
        let steps = 10
        for step in 0..<steps {
            try await Task.sleep(for: .seconds(seconds * timeScale / Double(steps)))
            context.progress(percent: Double((step + 1) * 100 / steps), message: "sleeping")
        }
        return JSONWriter.write { writer in
            writer.object { writer in
                writer.name("slept_seconds")
                writer.double((seconds * timeScale * 1000).rounded() / 1000)
            }
        }
    }
}

extension StintWorker {
    /// Adds the sample workloads as the handler of every name.
    ///
    /// - Parameters:
    ///   - timeScale: What all durations are multiplied by.
    ///   - networkURL: What `network_task` asks.
    package func handleSamples(timeScale: Double = 1, networkURL: String) {
        let workload = SampleWorkload(timeScale: timeScale, networkURL: networkURL)
        handleRaw("*") { job, context in try await workload.run(job, context) }
    }
}
