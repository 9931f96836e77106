// SPDX-License-Identifier: Apache-2.0

import StintWire
import Testing

/// What must be refused, and where the problem must point.
struct Refusal: Sendable, CustomTestStringConvertible {
    var text: String
    var pointer: String

    init(_ text: String, at pointer: String) {
        self.text = text
        self.pointer = pointer
    }

    /// One optional field with a value that is not allowed.
    init(_ field: String, _ value: String, at pointer: String = "") {
        self.init(#"{"name":"a","\#(field)":\#(value)}"#, at: "/\(field)\(pointer)")
    }

    var testDescription: String { String(text.prefix(80)) }
}

private func long(_ count: Int, _ character: Character = "x") -> String {
    "\"" + String(repeating: character, count: count) + "\""
}

private func list(_ count: Int) -> String {
    "[" + (0..<count).map { "\"t\($0)\"" }.joined(separator: ",") + "]"
}

private func pairs(_ count: Int) -> String {
    "{" + (0..<count).map { "\"k\($0)\":\"v\"" }.joined(separator: ",") + "}"
}

@Suite struct SubmitRequestRefusalTests {
    private static let shapes = [
        Refusal("{}", at: "/name"), Refusal(#"{"payload":1}"#, at: "/name"), Refusal(#"{"name":null}"#, at: "/name"),
        Refusal("null", at: ""), Refusal("[]", at: ""), Refusal("\"a\"", at: ""), Refusal("", at: ""),
        Refusal("{", at: ""),
        Refusal(#"{"name":"a"} x"#, at: ""), Refusal(#"{"name":"a"}{"name":"b"}"#, at: ""),
        Refusal(#"{"name":"a","nmae":"b"}"#, at: "/nmae"), Refusal(#"{"name":"a","id":"x"}"#, at: "/id"),
        Refusal(#"{"name":"a","name":"a"}"#, at: "/name"),
        Refusal(#"{"name":"a","payload":1,"payload":1}"#, at: "/payload"),
        Refusal(#"{"name":"a","payload":}"#, at: "/payload"), Refusal(#"{"name":"a","payload":01}"#, at: ""),
        Refusal(#"{"name":"a","Queue":"q"}"#, at: "/Queue"), Refusal(#"{"name":"a",}"#, at: ""),
    ]

    private static let names = [
        "\"\"", "1", "true", "{}", "\"a b\"", "\"a/b\"", "\"é\"", "\"a\\u0000\"", "\"*\"", long(129), "\"a\\n\"",
        "\" a\"",
    ].flatMap { [Refusal(#"{"name":\#($0)}"#, at: "/name"), Refusal("queue", $0)] }

    private static let numbers = [
        Refusal("priority", "101"), Refusal("priority", "-101"), Refusal("priority", "1.0"),
        Refusal("priority", "\"1\""),
        Refusal("priority", "1e1"), Refusal("priority", "99999999999999999999"), Refusal("priority", "true"),
        Refusal("max_attempts", "0"), Refusal("max_attempts", "1001"), Refusal("max_attempts", "-1"),
        Refusal("max_losses", "0"), Refusal("max_losses", "101"),
        Refusal("timeout_seconds", "0"), Refusal("timeout_seconds", "0.999"), Refusal("timeout_seconds", "604801"),
        Refusal("timeout_seconds", "\"30\""), Refusal("timeout_seconds", "1e400"), Refusal("timeout_seconds", "-1"),
        Refusal("delay_seconds", "-0.001"), Refusal("delay_seconds", "315360001"), Refusal("delay_seconds", "1e400"),
        Refusal("delay_seconds", "\"5\""), Refusal("start_within_seconds", "0"), Refusal("start_within_seconds", "-1"),
        Refusal("start_within_seconds", "315360001"),
        Refusal("retry", "1"), Refusal("retry", "[]"), Refusal("retry", #"{"base_seconds":-1}"#, at: "/base_seconds"),
        Refusal("retry", #"{"base_seconds":86401}"#, at: "/base_seconds"),
        Refusal("retry", #"{"factor":0.9}"#, at: "/factor"),
        Refusal("retry", #"{"factor":1001}"#, at: "/factor"),
        Refusal("retry", #"{"cap_seconds":-1}"#, at: "/cap_seconds"),
        Refusal("retry", #"{"cap_seconds":2592001}"#, at: "/cap_seconds"),
        Refusal("retry", #"{"jitter":"some"}"#, at: "/jitter"),
        Refusal("retry", #"{"jitter":1}"#, at: "/jitter"), Refusal("retry", #"{"base":1}"#, at: "/base"),
    ]

    private static let times =
        [
            "\"tomorrow\"", "1764579600", "\"2026-12-01\"", "\"2026-12-01T09:00:00\"", "\"2026-02-29T00:00:00Z\"",
            "true",
            "\"9999-12-31T23:59:59-00:01\"", "\"\"",
        ].map { Refusal("run_at", $0) } + [
            Refusal(#"{"name":"a","run_at":"2026-12-01T09:00:00Z","delay_seconds":0.5}"#, at: "/delay_seconds"),
            Refusal(#"{"delay_seconds":1,"run_at":"2026-12-01T09:00:00Z","name":"a"}"#, at: "/delay_seconds"),
        ]

    private static let labels = [
        Refusal("tags", "\"a\""), Refusal("tags", "[1]", at: "/0"), Refusal("tags", "[\"a\",\"\"]", at: "/1"),
        Refusal("tags", "[\(long(129))]", at: "/0"), Refusal("tags", list(17), at: "/16"),
        Refusal("tags", #"["a","b","a"]"#, at: "/2"), Refusal("tags", #"["a\nb"]"#, at: "/0"),
        Refusal("tags", "[\"\u{7F}\"]", at: "/0"), Refusal("tags", "[\"\u{85}\"]", at: "/0"),
        Refusal("tags", "[\"\u{2028}\"]", at: "/0"), Refusal("tags", #"["\ud800"]"#, at: "/0"),
        Refusal("tags", "[null]", at: "/0"),
        Refusal("metadata", "[]"), Refusal("metadata", "\"a\""), Refusal("metadata", #"{"k":1}"#, at: "/k"),
        Refusal("metadata", #"{"k":null}"#, at: "/k"), Refusal("metadata", #"{"":"v"}"#, at: "/"),
        Refusal("metadata", "{\(long(129)):\"v\"}", at: "/\(String(repeating: "x", count: 129))"),
        Refusal("metadata", "{\"k\":\(long(1025))}", at: "/k"), Refusal("metadata", pairs(17), at: "/k16"),
        Refusal("metadata", #"{"k":"1","\u006b":"2"}"#, at: "/k"), Refusal("metadata", #"{"k":"\ud800"}"#, at: "/k"),
        Refusal("metadata", "{\"k\":\"v\"\(String(repeating: " ", count: 256 << 10))}"),
    ]

    private static let traces =
        [
            "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-123456789",
        ].map { Refusal("traceparent", "\"\($0)\"") } + [Refusal("traceparent", "1")]

    @Test(arguments: shapes + names + numbers + times + labels + traces)
    func isRefusedWithAPointer(refusal: Refusal) {
        do throws(JSONProblem) {
            let request = try SubmitRequest.read(refusal.text.utf8)
            Issue.record("taken as \(request)")
        } catch {
            #expect(error.pointer == refusal.pointer, "\(error.detail)")
            #expect(!error.detail.isEmpty)
            #expect(!error.isTooLarge)
        }
    }

    @Test(arguments: [
        ("name", long(128)), ("queue", "\"A-Za-z0-9._:-\""), ("priority", "100"), ("max_attempts", "1"),
        ("max_losses", "1"),
        ("timeout_seconds", "1"), ("timeout_seconds", "1.5"), ("delay_seconds", "315360000"),
        ("start_within_seconds", "0.001"),
        ("run_at", "\"0000-01-01T00:00:00Z\""), ("run_at", "\"9999-12-31T23:59:59.999Z\""), ("tags", list(16)),
        ("tags", "[]"),
        ("tags", "[\(long(128, "😀"))]"), ("tags", #"["é","e\u0301"]"#), ("metadata", pairs(16)),
        ("metadata", "{\(long(128, "é")):\(long(1024, "😀"))}"), ("metadata", #"{"é":"","e\u0301":"\u0000"}"#),
        ("retry", "{}"), ("retry", ##"{"factor":1000}"##),
        ("traceparent", "\"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-abcdefgh\""),
    ])
    func theLimitsThemselvesAreAllowed(field: String, value: String) throws {
        let name = field == "name" ? "" : #""name":"a","#
        #expect(throws: Never.self) { try SubmitRequest.read("{\(name)\"\(field)\":\(value)}".utf8) }
    }
}
