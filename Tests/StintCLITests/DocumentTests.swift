// SPDX-License-Identifier: Apache-2.0

import StintCLI
import Testing

@Suite struct DocumentTests {
    private func tree(_ text: String) throws -> JSONTree {
        try #require(JSONTree(Array(text.utf8)))
    }

    @Test func jsonIsIndentedAndItsScalarsStay() throws {
        let text = try tree(#"{"b":1.50,"a":[1e400,"\ud800\/",{}],"a":[],"c":{"d":null}}"#).indented
        #expect(
            text == #"""
                {
                  "b": 1.50,
                  "a": [
                    1e400,
                    "\ud800\/",
                    {}
                  ],
                  "a": [],
                  "c": {
                    "d": null
                  }
                }
                """#
        )
    }

    @Test(arguments: ["", "{", "[1,", "{\"a\"}", "\"", "[1]]", "\"\\", "{\"a\":1,}"])
    func whatIsNoDocumentIsNotShownAsOne(text: String) {
        #expect(JSONTree(Array(text.utf8)) == nil)
    }

    @Test func deepNestingIsRefusedNotFollowed() {
        #expect(JSONTree([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)) == nil)
    }

    @Test func yamlIsInBlocks() throws {
        let text = YAMLWriter.text(
            try tree(
                #"""
                {"items":[{"id":"0198f4c2","name":"resize_image","n":1.50,"tags":["a","b c"],"meta":{}},{"list":[[1,2],[]]}],
                 "next":null,"yes":"no","empty":""}
                """#
            )
        )
        #expect(
            text == #"""
                items:
                  - id: "0198f4c2"
                    name: resize_image
                    "n": 1.50
                    tags:
                      - a
                      - "b c"
                    meta: {}
                  - list:
                      - - 1
                        - 2
                      - []
                next: null
                "yes": "no"
                empty: ""
                """#
        )
    }

    @Test(arguments: [
        (#""true""#, #""true""#), (#""Null""#, #""Null""#), (#""1e3""#, #""1e3""#), (#""a: b""#, #""a: b""#),
        (#""- a""#, #""- a""#), (##""#a""##, ##""#a""##), (#""a\nb\t\"\\""#, #""a\nb\t\"\\""#),
        (#""\u0000\u007f\u2028""#, #""\u0000\u007F\u2028""#),
        (#""\ud83d\ude00é""#, "\"😀é\""), (#""\ud800""#, #""\ud800""#), (#""2026-12-01""#, #""2026-12-01""#),
        (#""a.b/c-d_e""#, "a.b/c-d_e"),
        ("12345678901234567890", "12345678901234567890"), ("[]", "[]"), ("{}", "{}"), ("null", "null"),
    ])
    func yamlScalarsCannotBeMistaken(json: String, yaml: String) throws {
        #expect(YAMLWriter.text(try tree(json)) == yaml)
    }
}
