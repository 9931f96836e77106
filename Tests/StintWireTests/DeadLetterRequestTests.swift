// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@Suite struct DeadLetterRequestTests {
    @Test func nothingGivenMeansAllOfThem() throws {
        let request = try DeadLetterRequest.read(redrive: "{}".utf8)
        #expect(request.selection == DeadLetterSelection())
        #expect(request.limit == 1000)
        #expect(request.perSecond == nil)
    }

    @Test func whatAClientWritesTheServerReads() throws {
        let selection = DeadLetterSelection(
            queue: "q",
            name: "n",
            cause: .crashLoop,
            fingerprint: "9f1c",
            ids: [UUIDv7(high: 1, low: 2)]
        )
        let request = DeadLetterRequest(selection: selection, limit: 7, perSecond: 0.5)
        let body = JSONWriter.write { request.write(to: &$0) }
        #expect(try DeadLetterRequest.read(redrive: body) == request)
        #expect(throws: JSONProblem.self) { try DeadLetterRequest.read(purge: body) }
    }

    @Test(arguments: [
        "[]", "", #"{"limit":0}"#, #"{"limit":10001}"#, #"{"per_second":0}"#, #"{"per_second":-1}"#, #"{"filter":[]}"#,
        #"{"filter":{"cause":"bad_luck"}}"#, #"{"filter":{"queue":"a b"}}"#, #"{"filter":{"state":"dead"}}"#,
        #"{"filter":{"ids":[]}}"#, #"{"filter":{"ids":["x"]}}"#, #"{"filter":{"fingerprint":""}}"#, #"{"all":true}"#,
    ])
    func everythingElseIsRefused(text: String) {
        #expect(throws: JSONProblem.self) { try DeadLetterRequest.read(redrive: text.utf8) }
    }
}
