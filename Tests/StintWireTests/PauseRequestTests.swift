// SPDX-License-Identifier: Apache-2.0

import StintWire
import Testing

@Suite struct PauseRequestTests {
    @Test(arguments: ["", " \r\n\t", "{}", #"{"by":null}"#])
    func whoPausesNeedNotBeSaid(_ text: String) throws {
        #expect(try PauseRequest.read(text.utf8).by == nil)
    }

    @Test(arguments: ["a", "anna@host-1", "Ánna 🚒", String(repeating: "é", count: 128)])
    func whatAClientWritesTheServerReads(_ name: String) throws {
        let body = JSONWriter.write { PauseRequest(by: name).write(to: &$0) }
        #expect(try PauseRequest.read(body).by == name)
    }

    @Test(arguments: [
        "[]", "null", #""anna""#, #"{"by":""}"#, #"{"by":1}"#, #"{"by":"a\n"}"#, #"{"who":"a"}"#,
        #"{"by":"a","by":"b"}"#,
        #"{"by":"\#(String(repeating: "a", count: 129))"}"#, "{} {}",
    ])
    func everythingElseIsRefused(_ text: String) {
        #expect(throws: JSONProblem.self) { try PauseRequest.read(text.utf8) }
    }
}
