// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

/// The command `stint submit`.
struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Submit a job.",
        discussion: """
            PAYLOAD is sent as it is when it is JSON, else as a JSON string: stint submit greet world sends "world". \
            A dash reads it from the standard input; one that begins with a dash stands behind --, as in \
            stint submit greet -- -5.

            With --wait or --watch the exit status is 0 when the job completed and 1 when it ended otherwise.
            """
    )

    @Argument(help: "The name of the job, which picks its handler.")
    var name: String

    @Argument(help: "JSON, text, or - for the standard input.")
    var payload: String?

    @Option(help: "The queue it goes to. (default: default)")
    var queue: String?

    @Option(parsing: .unconditional, help: "From -100 to 100; each step is one minute of head start.")
    var priority: Int?

    @Option(help: ArgumentHelp("Do not run it before this long has passed: 90, 30s, 5m, 2h, 7d.", valueName: "time"))
    var delay: Span?

    @Option(help: ArgumentHelp("Do not run it before this instant.", valueName: "RFC 3339"))
    var runAt: Timestamp?

    @Option(help: ArgumentHelp("Let it expire if it has not started this long after it may run.", valueName: "time"))
    var startWithin: Span?

    @Option(help: ArgumentHelp("How long one attempt may take.", valueName: "time"))
    var timeout: Span?

    @Option(help: "How many attempts may fail.")
    var maxAttempts: Int?

    @Option(help: ArgumentHelp("Submitting again with the same key gives the same job.", valueName: "text"))
    var key: String?

    @Option(name: .customLong("tag"), help: ArgumentHelp("Tag it; can be given up to 16 times.", valueName: "text"))
    var tags: [String] = []

    @Option(name: .customLong("meta"), help: ArgumentHelp("Metadata; up to 16 pairs.", valueName: "name=value"))
    var metadata: [Pair] = []

    @Flag(help: "Wait until it has come to its end.")
    var wait = false

    @Flag(help: "Wait, and show how far it is.")
    var watch = false

    @Option(help: ArgumentHelp("Wait no longer than this.", valueName: "time"))
    var waitTimeout: Span?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard delay == nil || runAt == nil else { throw ValidationError("--delay and --run-at exclude each other") }
        guard waitTimeout == nil || wait || watch else {
            throw ValidationError("--wait-timeout needs --wait or --watch")
        }
    }

    func run() async throws {
        let console = Console.current
        let request = try request(payload: payloadBytes(console))
        let (key, isWatched, limit) = (key, watch, waitTimeout)
        let shouldWait = wait || watch
        let job = try await connection.withClient { client in
            let job = try await client.submit(request, idempotencyKey: key)
            guard shouldWait else { return job }
            if output.output == .table { console.errorLine("submitted \(job.id)") }
            return try await JobWaiting(client: client, isWatched: isWatched, limit: limit).end(of: job)
        }
        try output.show(shouldWait ? .job(job, now: console.now()) : submitted(job))
        if shouldWait { try JobWaiting.check(job) }
    }

    private func submitted(_ job: JobView) -> Report {
        Report(
            [.line("submitted \(job.id) (\(job.queue)/\(job.name), \(job.state.name))")],
            json: job.encoded(capacity: 1024),
            ids: [job.id.description]
        )
    }

    private func payloadBytes(_ console: Console) throws -> [UInt8] {
        guard let payload else { return SubmitRequest.noPayload }
        guard payload == "-" else { return Self.json(Array(payload.utf8)) }
        var input = try console.readInput()
        // The line break that a shell puts behind a text is not meant.
        if input.last == UInt8(ascii: "\n") { input.removeLast() }
        return Self.json(input)
    }

    /// The bytes if they are JSON, else a JSON string of them.
    private static func json(_ bytes: [UInt8]) -> [UInt8] {
        let isJSON = (try? JSONCursor.read(bytes) { json throws(JSONProblem) in try json.skip() }) != nil
        return isJSON ? bytes : JSONWriter.write { $0.string(String(decoding: bytes, as: UTF8.self)) }
    }

    private func request(payload: [UInt8]) -> SubmitRequest {
        var request = SubmitRequest(name: name, payload: payload)
        request.queue = queue
        request.priority = priority
        request.delaySeconds = delay?.seconds
        request.runAt = runAt
        request.startWithinSeconds = startWithin?.seconds
        request.timeoutSeconds = timeout?.seconds
        request.maxAttempts = maxAttempts
        request.tags = tags
        request.metadata = Dictionary(metadata.map { ($0.name, $0.value) }) { _, last in last }
        return request
    }
}
