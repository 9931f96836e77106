// SPDX-License-Identifier: Apache-2.0

import Glibc
import StintModel
import StintWire

/// Where the measured servers keep their jobs.
package enum BenchRecord: Hashable, Sendable {
    /// SQLite, in a new directory below this one, which is removed again.
    case embedded(directory: String)
    /// A PostgreSQL database that holds no jobs of anybody else, and perhaps a Redis: one submitter, one coordinator.
    case shared(databaseURL: String, redisURL: String?)
}

/// Servers of the benchmark's own, and perhaps a worker.
final class BenchServer: @unchecked Sendable {
    // SAFETY: `worker` is set and read on the benchmark's main thread only; the rest is constant.
    let api: ServerEndpoint
    let coordinator: ServerEndpoint
    /// One of its own, so that what other runs left in a shared record is nobody's work.
    let queue: String
    private let servers: [ChildProcess]
    private let coordinatorURL: String
    private let directory: String?
    private var worker: ChildProcess?
    /// Jobs that earlier runs left completed.
    private var completedBefore = 0

    init(_ record: BenchRecord) throws {
        queue = "bench-\(getpid())-\(Int(monotonicSeconds() * 1000))"
        let addresses: [String: String]
        switch record {
        case .embedded(let parent):
            let made = try Self.makeDirectory(in: parent)
            directory = made
            let started = try Self.start([["serve", "--data-dir", made]])
            (servers, addresses) = (started.servers, started.addresses)
        case .shared(let databaseURL, let redisURL):
            directory = nil
            let links = ["--database-url", databaseURL] + (redisURL.map { ["--redis-url", $0] } ?? [])
            let started = try Self.start([["coordinator", "--migrate"] + links, ["submitter"] + links])
            (servers, addresses) = (started.servers, started.addresses)
        }
        coordinatorURL = addresses["coordinator"] ?? ""
        api = try ServerEndpoint(addresses["api"] ?? "")
        coordinator = try ServerEndpoint(coordinatorURL)
        completedBefore = try completed(on: try BlockingConnection(api))
    }

    private static func makeDirectory(in parent: String) throws -> String {
        var template = Array("\(parent)/stint-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError("cannot make a directory in \(parent)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func start(
        _ commands: [[String]]
    ) throws -> (servers: [ChildProcess], addresses: [String: String]) {
        var servers: [ChildProcess] = []
        var addresses: [String: String] = [:]
        for command in commands {
            let isWhole = command[0] == "serve"
            var arguments = command + ["--log-level", "warning"]
            if command[0] != "coordinator" { arguments += ["--api-port", "0"] }
            if command[0] != "submitter" { arguments += ["--coordinator-port", "0"] }
            let server = try ChildProcess(arguments)
            servers.append(server)
            for _ in 0..<(isWhole ? 2 : 1) {
                let parts = try server.line(startingWith: "listening ").split(separator: "=", maxSplits: 1)
                if parts.count == 2 { addresses[String(parts[0])] = String(parts[1]) }
            }
            _ = try server.line(startingWith: "ready")
        }
        return (servers, addresses)
    }

    /// Of all the servers: processor seconds used so far, and resident memory now.
    var usage: (cpuSeconds: Double, residentMB: Double) {
        servers.map(\.usage).reduce((0, 0)) { ($0.cpuSeconds + $1.cpuSeconds, $0.residentMB + $1.residentMB) }
    }

    /// A worker process whose handler does nothing.
    func startWorker(slots: Int) throws {
        worker = try ChildProcess([
            "worker", "--no-op", "--queue", queue, "--concurrency", String(slots), "--coordinator-url", coordinatorURL,
        ])
    }

    /// Waits until that many jobs of this run are completed; gives how many were.
    func waitForCompleted(_ wanted: Int) throws -> Int {
        let connection = try BlockingConnection(api)
        while true {
            let completed = try completed(on: connection) - completedBefore
            if completed >= wanted { return completed }
            usleep(50_000)  // seldom enough that asking costs nothing that is measured
        }
    }

    private func completed(on connection: BlockingConnection) throws -> Int {
        do {
            return try StatsView.read(try connection.send("GET", "/v1/stats")).counts[.completed] ?? 0
        } catch let error as JSONProblem {
            throw BenchError("the server's stats cannot be read: \(error.detail)")
        }
    }

    func stop() {
        worker?.stop()
        for server in servers.reversed() { server.stop() }
        guard let directory else { return }
        for name in ["stint.sqlite", "stint.sqlite-wal", "stint.sqlite-shm", "stint.lock"] {
            unlink("\(directory)/\(name)")
        }
        rmdir(directory)
    }
}

/// Measures how long a job takes from its sender to a parked worker, both in this process, on threads of their own.
struct LatencyProbe {
    private let jobs: Int
    private let perSecond: Double
    private let queue: String
    private let sender: BlockingConnection
    private let worker: BlockingConnection
    private let workerID: WorkerID

    init(_ bench: BenchServer, jobs: Int, perSecond: Double) throws {
        self.jobs = jobs
        self.perSecond = perSecond
        queue = bench.queue
        sender = try BlockingConnection(bench.api)
        worker = try BlockingConnection(bench.coordinator)
        let register = RegisterRequest(
            name: "bench",
            capabilities: Capabilities(queues: [queue], jobNames: ["noop"]),
            concurrency: 10
        )
        let body = try worker.send("POST", "/v1/workers", register.encoded())
        do {
            workerID = try RegisterAnswer.read(body).workerID
        } catch {
            throw BenchError("the server's answer cannot be read: \(error.detail)")
        }
    }

    /// Milliseconds, one per job.
    ///
    /// Jobs leave on a fixed schedule, however slow the answers are.
    func run() throws -> [Double] {
        let arrivals = Arrivals(count: jobs)
        let (worker, workerID, jobs) = (UncheckedBox(worker), workerID, jobs)
        let receiving = FailingThread { try Self.receive(on: worker.value, workerID, jobs, arrivals) }
        var sentAt: [Double] = []
        let start = monotonicSeconds() + 0.2
        for number in 0..<jobs {
            let due = start + Double(number) / perSecond
            let wait = due - monotonicSeconds()
            if wait > 0 { usleep(UInt32(wait * 1e6)) }
            sentAt.append(max(due, monotonicSeconds()))
            _ = try sender.send("POST", "/v1/jobs", BenchJob.single(number, queue))
        }
        try receiving.join()
        return zip(sentAt, arrivals.all).map { ($1 - $0) * 1000 }
    }

    private static func receive(
        on connection: BlockingConnection,
        _ id: WorkerID,
        _ jobs: Int,
        _ arrivals: Arrivals
    ) throws {
        var results: [WorkerResult] = []
        var received = 0
        while received < jobs {
            let poll = PollRequest(freeSlots: 10, wait: Milliseconds(20_000), results: results)
            let body = try connection.send("POST", "/v1/workers/\(id)/poll", poll.encoded())
            let now = monotonicSeconds()
            let answer: PollAnswer
            do { answer = try PollAnswer.read(body) } catch {
                throw BenchError("the server's answer cannot be read: \(error.detail)")
            }
            for job in answer.jobs {
                let digits = job.payload.dropFirst().prefix { $0 != UInt8(ascii: "-") }
                arrivals.set(Int(String(decoding: digits, as: UTF8.self)) ?? 0, now)
            }
            received += answer.jobs.count
            results = answer.jobs.map {
                WorkerResult(lease: $0.lease, jobID: $0.id, ending: .completed(result: nil))
            }
        }
    }
}
