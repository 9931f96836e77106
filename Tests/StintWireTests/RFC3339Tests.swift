// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire
import Testing

@Suite struct RFC3339Tests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1900-02-28T23:59:59.000Z", -2_203_891_201_000),
            ("1900-03-01T00:00:00.000Z", -2_203_891_200_000),
            ("2000-02-29T12:00:00.000Z", 951_825_600_000),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("2024-03-01T00:00:00.000Z", 1_709_251_200_000),
            ("2038-01-19T03:14:08.000Z", 2_147_483_648_000),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
            ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] as [(String, Int64)]
    )
    func knownInstantsAreReadAndWritten(text: String, milliseconds: Int64) {
        #expect(RFC3339.parse(text)?.milliseconds == milliseconds)
        #expect(RFC3339.format(Timestamp(milliseconds: milliseconds)) == text)
    }

    @Test(arguments: [
        ("2026-12-01T09:00:00Z", "2026-12-01T09:00:00.000Z"),
        ("2026-12-01t09:00:00z", "2026-12-01T09:00:00.000Z"),
        ("2026-12-01 09:00:00Z", "2026-12-01T09:00:00.000Z"),
        ("2026-12-01T09:00:00.1Z", "2026-12-01T09:00:00.100Z"),
        ("2026-12-01T09:00:00.123999999999999999999Z", "2026-12-01T09:00:00.123Z"),
        ("2026-12-01T09:00:00+02:00", "2026-12-01T07:00:00.000Z"),
        ("2026-12-01T00:30:00-23:59", "2026-12-02T00:29:00.000Z"),
        ("2026-12-01T09:00:00-00:00", "2026-12-01T09:00:00.000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
    ])
    func otherSpellingsAreRead(text: String, canonical: String) throws {
        #expect(RFC3339.format(try #require(RFC3339.parse(text))) == canonical)
    }

    @Test(arguments: [
        "", "now", "2026-12-01", "2026-12-01T09:00:00", "2026-12-01T09:00Z", "2026-13-01T09:00:00Z",
        "2026-00-01T09:00:00Z",
        "2026-12-32T09:00:00Z", "2026-12-00T09:00:00Z", "2026-02-29T09:00:00Z", "1900-02-29T09:00:00Z",
        "2026-04-31T09:00:00Z",
        "2026-12-01T24:00:00Z", "2026-12-01T09:60:00Z", "2026-12-01T09:00:61Z", "2026-12-01T09:00:00.Z",
        "2026-12-01T09:00:00+2:00", "2026-12-01T09:00:00+24:00", "2026-12-01T09:00:00+02:60",
        "2026-12-01T09:00:00+0200",
        " 2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z ", "02026-12-01T09:00:00Z", "-026-12-01T09:00:00Z",
        "2026-12-01T09:00:00,5Z", "２026-12-01T09:00:00Z", "2026-12-01T09:00:00ZZ",
    ])
    func everythingElseIsRefused(text: String) {
        #expect(RFC3339.parse(text) == nil)
    }

    @Test(arguments: seeds)
    func whatIsWrittenIsReadBack(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let instant = Timestamp(
                milliseconds: Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random)
            )
            #expect(RFC3339.parse(RFC3339.format(instant)) == instant, "seed \(seed)")
        }
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() {
        // The Gregorian calendar repeats after 400 years.
        var day = Timestamp(milliseconds: 946_684_800_000)
        for _ in 0..<146_097 {
            let text = RFC3339.format(day)
            guard RFC3339.parse(text) == day else {
                Issue.record("\(text) is not read as it was written")
                return
            }
            day = day + Milliseconds(86_400_000)
        }
        #expect(RFC3339.format(day) == "2400-01-01T00:00:00.000Z")
    }
}
