// SPDX-License-Identifier: Apache-2.0

import Foundation
import StintServer
import Testing

@Suite struct ConfigurationFileTests {
    @Test func aFileIsAFlatListOfSettings() throws {
        let values = try Self.read("# ours\napi_port: 8080\nlease_seconds: 4.5\ntoken: \"a: b\"\nlog_level:\n")
        #expect(values["STINT_API_PORT"] == "8080")
        #expect(values["STINT_LEASE_SECONDS"] == "4.5")
        #expect(values["STINT_TOKEN"] == "a: b")
        #expect(values["STINT_LOG_LEVEL"]?.isEmpty ?? true)
    }

    @Test(arguments: ["", "# nothing but a comment\n"])
    func anEmptyFileSetsNothing(_ text: String) throws {
        #expect(try Self.read(text).isEmpty)
    }

    @Test(arguments: ["api_prot: 1\n", "STINT_API_PORT: 1\n", "api-port: 1\n", "1: 2\n"])
    func anUnknownKeyIsRefusedWithTheKnownOnes(_ text: String) throws {
        let message = try Self.refusal(of: text)
        let key = text.split(separator: ":")[0]
        #expect(message.contains("unknown setting '\(key)'"))
        #expect(message.contains("api_port"))
    }

    @Test(arguments: [
        "api_port: [1\n", "api_port: 1\n  lease: 2\n", "\tapi_port: 1\n", "api_port: \"1\n", "\u{1}", "a: *b\n",
    ])
    func whatIsNoYAMLIsRefused(_ text: String) throws {
        #expect(try Self.refusal(of: text).contains("is no valid YAML"))
    }

    @Test(arguments: ["- api_port\n", "api_port\n"])
    func whatIsNoListOfSettingsIsRefused(_ text: String) throws {
        #expect(try Self.refusal(of: text).contains("must be a list of 'setting: value' lines"))
    }

    @Test(arguments: ["api_port: [1, 2]\n", "api_port: {a: 1}\n"])
    func aSettingWithSeveralValuesIsRefused(_ text: String) throws {
        #expect(try Self.refusal(of: text).contains("api_port"))
        #expect(try Self.refusal(of: text).contains("must be a single value"))
    }

    @Test func aKeyThatStandsTwiceIsRefused() throws {
        #expect(try Self.refusal(of: "api_port: 1\napi_port: 2\n").contains("api_port"))
    }

    @Test func aFileThatIsNotThereIsRefusedByName() throws {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationFile.read("/nowhere/stint.yaml", known: ServerConfiguration.names)
        }
        #expect(try #require(error).description.contains("/nowhere/stint.yaml"))
    }

    // MARK: Support

    private static func read(_ text: String) throws -> [String: String] {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("stint-\(UUID()).yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }  // a file left behind fails nothing
        return try ConfigurationFile.read(path, known: ServerConfiguration.names)
    }

    private static func refusal(of text: String) throws -> String {
        let error = #expect(throws: ConfigurationError.self) { _ = try read(text) }
        return try #require(error).description
    }
}
