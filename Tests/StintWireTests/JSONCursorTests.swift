// SPDX-License-Identifier: Apache-2.0

import StintWire
import Testing

/// The whole document, checked and given back as its bytes.
func checked(_ bytes: [UInt8]) throws(JSONProblem) -> [UInt8] {
    try JSONCursor.read(bytes) { json throws(JSONProblem) in try json.raw() }
}

@Suite struct JSONCursorTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-0", "0.0", "1e400", "-1E+7", "12345678901234567890123", "1.50", "\"\"", "[]",
        "{}",
        "[ ]", "{ }", "[1,2]", #"{"a":1,"a":2}"#, #""\u0000""#, #""\ud800""#, #""\udc00\ud800""#,
        #""\/\b\f\n\r\t\"\\""#,
        "{\"a\" : [ 1 ,\n2 ] }", "\"\u{7F}\u{2028}\"", #"{"":{"":""}}"#,
    ])
    func legalTextIsKeptByteForByte(text: String) throws {
        #expect(try checked(Array(text.utf8)) == Array(text.utf8))
        #expect(try checked(Array(" \n\t\r\(text)\n".utf8)) == Array(text.utf8))
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "True", "undefined", "NaN", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10",
        "1 2", "'a'",
        "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "\"\t\"", "\"\u{0}\"", "[", "]", "[1", "[1,]",
        "[,1]",
        "[1 2]", "{", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\":1 \"b\":2}", "{\"a\"::1}",
        "[1]]",
        "null,", "/**/1", "\u{FEFF}1", "1\u{0}", "\u{A0}1", "[1}", "{\"a\":1]", "--1", "1-", "1e1.5", "tru", "f",
    ])
    func otherTextIsRefused(text: String) {
        #expect(throws: JSONProblem.self) { try checked(Array(text.utf8)) }
    }

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x20], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xE2, 0x82],
            [0xE2, 0x28, 0xA1], [0xE2, 0x82, 0x28], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xEF, 0xBF],
            [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF0, 0x28, 0x8C, 0xBC], [0xF0, 0x90, 0x28, 0xBC],
            [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        ] as [[UInt8]]
    )
    func textThatIsNoUTF8IsRefused(bytes: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(throws: JSONProblem.self) { try checked([quote] + bytes + [quote]) }
        // At the very end of the document, too, where reading on would leave the buffer.
        #expect(throws: JSONProblem.self) { try checked([quote] + bytes) }
        // And as a member's name.
        #expect(throws: JSONProblem.self) {
            try checked(Array("{\"".utf8) + bytes + Array("\":1}".utf8))
        }
    }

    @Test func allCharactersOfUTF8AreTaken() throws {
        for value in stride(from: UInt32(0x20), through: 0x10FFFF, by: 61) {
            guard let scalar = UnicodeScalar(value), scalar != "\"", scalar != "\\" else { continue }
            let text = Array("\"\(Character(scalar))\"".utf8)
            guard (try? checked(text)) == text else {
                Issue.record("U+\(String(value, radix: 16)) is refused")
                return
            }
        }
    }

    @Test func nestingEndsAt128Levels() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = open == "[" ? "" : "1"
            let deepest = String(repeating: open, count: 128) + inner + String(repeating: close, count: 128)
            let tooDeep = String(repeating: open, count: 129) + inner + String(repeating: close, count: 129)
            #expect(try checked(Array(deepest.utf8)).count == deepest.utf8.count)
            #expect(throws: JSONProblem.self) { try checked(Array(tooDeep.utf8)) }
        }
        // A long row of brackets must cost no stack.
        #expect(throws: JSONProblem.self) { try checked([UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)) }
    }

    @Test func everyCutDocumentIsRefused() {
        let text = Array(#"{"a":[1,true,null,"é\n😀"],"b":{"c":-1.5e3}}"#.utf8)
        for end in 0..<text.count {
            #expect(throws: JSONProblem.self, "cut after \(end) bytes") { try checked(Array(text[..<end])) }
        }
    }

    @Test(arguments: seeds)
    func anyDocumentIsKeptByteForByte(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let text = random.json()
            #expect(try checked(Array(text.utf8)) == Array(text.utf8), "seed \(seed)")
        }
    }

    @Test(arguments: seeds)
    func brokenDocumentsNeverCrash(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            var bytes = Array(random.json().utf8)
            for _ in 0...random.index(3) where !bytes.isEmpty {
                bytes[random.index(bytes.count)] = UInt8.random(in: 0...255, using: &random)
            }
            // Refused or taken: then as it is. Both are right, a crash is not.
            if let taken = try? checked(bytes) { #expect(taken.count <= bytes.count, "seed \(seed)") }
        }
    }

    @Test func stringsAreDecoded() throws {
        func string(_ text: String) throws -> String {
            try JSONCursor.read(text.utf8) { json throws(JSONProblem) in try json.string() }
        }
        #expect(try string(#""aé\u00e9\ud83d\ude00\n\/""#) == "aéé😀\n/")
        #expect(try string(#""\u0000""#) == "\u{0}")
        for lone in [#""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\u0041""#, #""\ud800\ud800""#, #""\ud83d\""#] {
            #expect(throws: JSONProblem.self) { try string(lone) }
        }
    }

    @Test func numbersAreNotRounded() throws {
        func int(_ text: String) throws -> Int {
            try JSONCursor.read(text.utf8) { json throws(JSONProblem) in try json.int() }
        }
        #expect(try int("-9223372036854775808") == .min)
        for text in ["9223372036854775808", "1.0", "1e3", "\"1\"", "true", "null", "- 1"] {
            #expect(throws: JSONProblem.self, "\(text)") { try int(text) }
        }
        #expect(throws: JSONProblem.self) {
            try JSONCursor.read("1e400".utf8) { json throws(JSONProblem) in try json.double() }
        }
    }

    @Test func problemsPointToTheValue() {
        let text = #"{"jobs":[{"a/b~c":{"x":[0,1,"no"]}}]}"#
        #expect(throws: JSONProblem("expected a whole number at byte 28, found '\"'", pointer: "/jobs/0/a~1b~0c/x/2")) {
            try JSONCursor.read(text.utf8) { json throws(JSONProblem) in
                try json.anyObject { json, _ throws(JSONProblem) in
                    try json.array { json, _ throws(JSONProblem) in
                        try json.anyObject { json, _ throws(JSONProblem) in
                            try json.anyObject { json, _ throws(JSONProblem) in
                                try json.array { json, _ throws(JSONProblem) in _ = try json.int() }
                            }
                        }
                    }
                }
            }
        }
    }

    @Test func escapedNamesAreTheSameNames() throws {
        let fields = JSONFields("name", "payload")
        func seen(_ text: String) throws -> [Int] {
            var seen: [Int] = []
            try JSONCursor.read(text.utf8) { json throws(JSONProblem) in
                try json.object(fields) { json, field throws(JSONProblem) in
                    seen.append(field)
                    try json.skip()
                }
            }
            return seen
        }
        #expect(try seen(#"{"n\u0061me":1,"payload":2}"#) == [0, 1])
        #expect(throws: JSONProblem.self) { try seen(#"{"name":1,"n\u0061me":2}"#) }
        #expect(throws: JSONProblem.self) { try seen(#"{"Name":1}"#) }
        #expect(throws: JSONProblem.self) { try seen(#"{"name ":1}"#) }
    }
}
