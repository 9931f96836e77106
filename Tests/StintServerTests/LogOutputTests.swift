// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Testing

@testable import StintServer

@Suite struct LogOutputTests {
    /// What an attacker, or an error message of several lines, may bring into a log.
    static let values = [
        "plain", "", "two words", "a=b", "say \"hi\"", "back\\slash \\", "line\nbreak", "line\rbreak", "line\r\nbreak",
        "tab\there",
        "\u{1B}[2J\u{1B}[31mred", "\u{0}", "\u{85}", "\u{2028}line\u{2029}", "e\u{301}=\u{301}",
        "\u{1F469}\u{200D}\u{1F692}",
    ]

    @Test(arguments: values)
    func textIsOneLineWhateverTheValue(_ value: String) throws {
        let line = Self.line(isJSON: false, message: value, key: "key", value: value)
        #expect(line.last == "\n")
        let controls = line.dropLast().unicodeScalars.filter { scalar in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || [0x2028, 0x2029].contains(scalar.value)
        }
        #expect(controls.isEmpty)
        #expect(line.contains(" key="))
    }

    @Test(arguments: values)
    func jsonIsOneValidLineThatKeepsTheValue(_ value: String) throws {
        let line = Self.line(isJSON: true, message: value, key: "key", value: value)
        #expect(line.utf8.filter { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }.count == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["message"] as? String == value)
        #expect(object["key"] as? String == value)
        #expect(object["level"] as? String == "warning")
        #expect(object["logger"] as? String == "test")
        #expect(object["time"] is String)
    }

    @Test(arguments: [
        ("plain", "key=plain"), ("", "key=\"\""), ("two words", "key=\"two words\""), ("a\"b", "key=\"a\\\"b\""),
        ("a\r\nb", "key=a\\r\\nb"), ("\u{1B}[2J", "key=\\u{1b}[2J"),
    ])
    func aValueThatCouldBeMisreadIsQuotedOrEscaped(_ value: String, _ shown: String) {
        #expect(Self.line(isJSON: false, message: "m", key: "key", value: value).hasSuffix(" \(shown)\n"))
    }

    @Test func metadataCannotReplaceWhatEveryLineHas() throws {
        let line = Self.line(isJSON: true, message: "the message", key: "message", value: "another")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["message"] as? String == "the message")
        #expect(object["message_"] as? String == "another")
        #expect(line.components(separatedBy: "\"message\":").count == 2)
    }

    @Test func anEventsOwnMetadataGoesBeforeTheLoggers() {
        var output = LogOutput(label: "test", level: .trace, isJSON: false)
        output[metadataKey: "a"] = "old"
        output[metadataKey: "b"] = "kept"
        let line = String(decoding: output.line(Self.event("m", ["a": "new"])), as: UTF8.self)
        #expect(line.hasSuffix(" WARNING m a=new b=kept\n"))
    }

    private static func line(isJSON: Bool, message: String, key: String, value: String) -> String {
        let output = LogOutput(label: "test", level: .trace, isJSON: isJSON)
        return String(decoding: output.line(event(message, [key: .string(value)])), as: UTF8.self)
    }

    private static func event(_ message: String, _ metadata: Logger.Metadata) -> LogEvent {
        LogEvent(
            level: .warning,
            message: "\(message)",
            error: nil,
            metadata: metadata,
            source: "test",
            file: #fileID,
            function: #function,
            line: #line
        )
    }
}
