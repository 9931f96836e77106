// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@Suite struct JSONWriterTests {
    @Test func commasStandBetweenMembersAndElementsOnly() {
        let json = JSONWriter.write { json in
            json.object { json in
                json.name("empty")
                json.object { _ in }
                json.name("list")
                json.array([[1, 2], [], [3]]) { json, row in json.array(row) { json, value in json.int(value) } }
                json.name("none")
                json.string(nil)
                json.name("raw")
                json.raw(Array("[ 1 ]".utf8))
                json.name("last")
                json.bool(true)
            }
        }
        #expect(
            String(decoding: json, as: UTF8.self)
                == #"{"empty":{},"list":[[1,2],[],[3]],"none":null,"raw":[ 1 ],"last":true}"#
        )
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (1800, "1800"), (0.1, "0.1"), (-1.5, "-1.5"), (1e21, "1e+21"), (.infinity, "null"),
            (.nan, "null"),
        ] as [(Double, String)]
    )
    func numbersHaveNoNeedlessFraction(value: Double, text: String) {
        #expect(String(decoding: JSONWriter.write { $0.double(value) }, as: UTF8.self) == text)
    }

    @Test(arguments: seeds)
    func stringsAreReadBackAsTheyWere(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let text = random.text()
            let json = JSONWriter.write { $0.string(text) }
            let read = try JSONCursor.read(json) { json throws(JSONProblem) in try json.string() }
            // Compared by scalars: to Swift, different spellings of a character are equal.
            #expect(Array(read.unicodeScalars) == Array(text.unicodeScalars), "seed \(seed)")
            #expect(json.allSatisfy { $0 >= 0x20 }, "seed \(seed)")
        }
    }

    @Test(arguments: seeds)
    func numbersAreReadBackAsTheyWere(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            let json = JSONWriter.write { $0.double(value) }
            #expect(
                try JSONCursor.read(json) { json throws(JSONProblem) in try json.double() } == value,
                "seed \(seed)"
            )
            let whole = Int(truncatingIfNeeded: random.next())
            let int = JSONWriter.write { $0.int(whole) }
            #expect(try JSONCursor.read(int) { json throws(JSONProblem) in try json.int() } == whole, "seed \(seed)")
        }
    }

    @Test func idsAreLowerCase() {
        let id = UUIDv7(high: 0x0198_F4C2_7A10_7C3E, low: 0x9B1D_5F2A_6E8C_4D01)
        #expect(
            String(decoding: JSONWriter.write { $0.id(id) }, as: UTF8.self)
                == #""0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01""#
        )
    }
}
