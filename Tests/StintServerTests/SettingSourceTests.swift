// SPDX-License-Identifier: Apache-2.0

import StintServer
import Testing

@Suite struct SettingSourceTests {
    private static let name = "STINT_API_PORT"

    /// Who says what, and who is heard.
    @Test(arguments: [
        (["1", "2", "3"], 1), (["", "2", "3"], 2), (["", "", "3"], 3), (["", "", ""], 4), (["1", "", ""], 1),
        (["1", "", "3"], 1),
    ])
    func aFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault(_ said: [String], _ heard: Int) throws {
        let source = SettingSource(
            flags: [Self.name: said[0]],
            environment: [Self.name: said[1]],
            file: [Self.name: said[2]]
        )
        #expect(try source.int(Self.name, 0...9, default: 4) == heard)
    }

    @Test func aRefusalNamesThePlaceTheValueCameFrom() throws {
        let bad = [Self.name: "x"]
        let places: [(SettingSource, String)] = [
            (SettingSource(flags: bad), "from the flag --api-port"),
            (SettingSource(environment: bad), "from the environment variable STINT_API_PORT"),
            (SettingSource(file: bad, filePath: "stint.yaml"), "from api_port in stint.yaml"),
        ]
        for (source, place) in places {
            let error = #expect(throws: ConfigurationError.self) { try source.int(Self.name, 0...9, default: 4) }
            #expect(try #require(error).description.contains(place))
        }
    }

    @Test func aBadValueIsRefusedEvenWhereAGoodOneStandsBehindIt() {
        let source = SettingSource(flags: [Self.name: "x"], environment: [Self.name: "5"])
        #expect(throws: ConfigurationError.self) { try source.int(Self.name, 0...9, default: 4) }
    }

    @Test(arguments: [("true", true), ("YES", true), ("1", true), ("on", true), ("false", false), ("No", false)])
    func yesAndNoHaveManyWords(_ word: String, _ meaning: Bool) throws {
        #expect(try SettingSource(flags: ["STINT_A": word]).bool("STINT_A", default: !meaning) == meaning)
    }

    @Test func namesFollowFromOneAnother() {
        #expect(SettingSource.flagName("STINT_API_PORT") == "api-port")
        #expect(SettingSource.fileName("STINT_API_PORT") == "api_port")
    }
}
