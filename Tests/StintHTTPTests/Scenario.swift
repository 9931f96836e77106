// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import StintCoordinator
import StintCore
import StintMemoryStore
import StintTelemetry
import StintTestKit
import Synchronization
import Testing

@testable import StintHTTP

/// Calls and answers as text, as they stand in the files under `Golden`.
///
/// A call is lines that begin with `>`: listener, method and path, then headers, then a line with the body. Its answer is
/// the lines that begin with `<`: the status, the headers that mean something, the body. Ids and leases are numbered in
/// the order they appear: `<id1>`, `<lease1>`; time stands still. Other lines are comments.
struct Scenario {
    struct Call {
        var listener = ListenerRole.api
        var method = HTTPRequest.Method.get
        var path = ""
        var headers: HTTPFields = [:]
        var body: String?
    }

    /// Answer headers that are shown.
    private static let shown = [
        "Allow", "Content-Type", "Idempotency-Replayed", "Location", "Retry-After", "WWW-Authenticate",
    ]

    let text: String

    init(_ name: String, file: String = #filePath) throws {
        let path = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Golden/\(name).txt")
        text = try String(contentsOf: path, encoding: .utf8)
    }

    /// The file as it would stand if every answer were right.
    func played(token: String? = nil) async throws -> String {
        let text = text
        return try await Listeners(token: token).run { api, coordinator in
            var names = Names()
            var lines: [String] = []
            var asked: [String] = []
            for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
                if line.hasPrefix(">") { asked.append(names.original(String(line.dropFirst(2)))) }
                if !line.hasPrefix("<") { lines.append(line) }
                guard line.hasPrefix("<"), !asked.isEmpty else { continue }
                let call = try Self.call(asked)
                asked = []
                let answer = try await (call.listener == .api ? api : coordinator).execute(
                    uri: call.path,
                    method: call.method,
                    headers: call.headers,
                    body: call.body.map { ByteBuffer(string: $0) }
                )
                lines += Self.shown(answer).map { "< " + names.numbered($0) }
            }
            return lines.joined(separator: "\n")
        }
    }

    private static func call(_ lines: [String]) throws -> Call {
        var call = Call()
        let first = lines[0].split(separator: " ")
        call.listener = try #require(ListenerRole(rawValue: String(first[0])))
        call.method = try #require(HTTPRequest.Method(String(first[1])))
        call.path = String(first[2])
        call.headers[try #require(HTTPField.Name("X-Request-Id"))] = "r1"
        for line in lines.dropFirst() {
            if let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) {
                call.headers[name] = String(line[line.index(colon, offsetBy: 2)...])
            } else {
                call.body = line.replacing("\\n", with: "\n")
            }
        }
        return call
    }

    private static func shown(_ answer: TestResponse) -> [String] {
        var lines = ["\(answer.status.code)"]
        for name in shown {
            guard let field = HTTPField.Name(name), let value = answer.headers[field] else { continue }
            if name != "Content-Type" || value != "application/json" { lines.append("\(name): \(value)") }
        }
        let body = String(buffer: answer.body)
        return body.isEmpty ? lines : lines + [body]
    }
}

/// Ids and leases by the number of their first appearance.
private struct Names {
    private var names: [String: String] = [:]
    private var originals: [String: String] = [:]

    mutating func numbered(_ text: String) -> String {
        var text = text
        for (kind, pattern) in [
            ("lease", "[0-9a-f]{32}-[0-9]+-[0-9a-f]{16}"),
            ("id", "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"),
        ] {
            while let range = text.range(of: pattern, options: .regularExpression) {
                text.replaceSubrange(range, with: name(of: String(text[range]), kind))
            }
        }
        return text
    }

    private mutating func name(of original: String, _ kind: String) -> String {
        if let name = names[original] { return name }
        let name = "<\(kind)\(names.values.count { $0.hasPrefix("<\(kind)") } + 1)>"
        names[original] = name
        originals[name] = original
        return name
    }

    func original(_ text: String) -> String {
        originals.reduce(text) { $0.replacing($1.key, with: $1.value) }
    }
}

/// Both listeners of a coordinator on a record in memory, in time that stands still.
struct Listeners {
    let time = ManualTime()
    let log = LogRecorder()
    let store: FaultyJobStore
    private let coordinator: Coordinator
    private let token: String?

    init(token: String? = nil) throws {
        self.token = token
        let random = Mutex(SeededGenerator(seed: 1))
        let time = time
        store = FaultyJobStore(MemoryJobStore(rules: EndingDecision.rules, now: { time.timestamp }))
        coordinator = Coordinator(
            store: store,
            belt: MemoryReadyQueue(),
            backend: "memory",
            settings: CoordinatorSettings(),
            environment: ServiceEnvironment(logger: log.logger, time: time) { random.withLock { $0.next() } },
            metrics: MetricRegistry()
        )
    }

    func run<Value: Sendable>(
        _ body:
            @escaping @Sendable (_ api: any TestClientProtocol, _ coordinator: any TestClientProtocol) async throws
            -> Value
    ) async throws -> Value {
        try await coordinator.prepare()
        return try await running(coordinator.services) {
            try await application(.api).test(.router) { api in
                try await application(.coordinator).test(.router) { coordinator in
                    try await body(api, coordinator)
                }
            }
        }
    }

    private func application(_ role: ListenerRole) -> some ApplicationProtocol {
        let table = Listener(role: role, host: "127.0.0.1", port: 0, token: token)
            .table(coordinator, Readiness(), ConnectionWatch())
        let edge = EdgeMiddleware(
            token: token,
            openPaths: table.openPaths,
            environment: coordinator.environment,
            metrics: coordinator.metrics
        )
        return Application(router: table.router(edge), logger: log.logger)
    }
}
