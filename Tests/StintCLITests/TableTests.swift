// SPDX-License-Identifier: Apache-2.0

import StintCLI
import Testing

@Suite struct TableTests {
    private let table = Table(
        [.init("ID", isWhole: true), .init("NAME"), .init("N", isRight: true), .init("NOTE")],
        rows: [
            ["0001", "resize_image", "5", "disk full on host-1"],
            ["0002", .init("日本", .red), "1234", ""],
        ]
    )

    @Test func columnsStandBelowEachOther() {
        #expect(
            table.lines(width: nil, hasColors: false) == [
                "ID    NAME             N  NOTE",
                "0001  resize_image     5  disk full on host-1",
                "0002  日本          1234",
            ]
        )
    }

    @Test func aNarrowTerminalCutsTheWidestColumnsButNoIDs() {
        let lines = table.lines(width: 30, hasColors: false)
        #expect(lines == ["ID    NAME         N  NOTE", "0001  resize_…     5  disk fu…", "0002  日本      1234"])
        #expect(table.lines(width: 1, hasColors: false)[1].hasPrefix("0001  "))
    }

    @Test func coloursDoNotMoveColumns() {
        let lines = table.lines(width: nil, hasColors: true)
        #expect(lines[2] == "0002  \u{1B}[31m日本\u{1B}[0m          1234")
        #expect(lines[0].hasPrefix("\u{1B}[1mID\u{1B}[0m    \u{1B}[1mNAME"))
    }

    @Test func textFromAServerCannotSteerTheTerminal() {
        let table = Table([.init("A")], rows: [[.init("a\u{1B}[31mb\r\nc\u{9B}d\u{202E}e")]])
        #expect(table.lines(width: nil, hasColors: false)[1] == "a\u{FFFD}[31mb  c\u{FFFD}d\u{FFFD}e")
    }
}

@Suite struct SpanTests {
    @Test(arguments: [
        ("90", 90), ("1.5", 1.5), ("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("0", 0),
    ])
    func timesAreRead(text: String, seconds: Double) {
        #expect(Span(argument: text)?.seconds == seconds)
    }

    @Test(arguments: ["", "s", "-1", "+1", "1 s", "1x", "1e999", "nan", "inf", "0x1", "5mm", ".5"])
    func otherTextsAreRefused(text: String) {
        #expect(Span(argument: text) == nil || Span(argument: text)?.seconds == Double(text))
        if !text.hasPrefix("0x") { #expect(Span(argument: text) == nil) }
    }

    @Test(arguments: [
        (0, "0 s"), (0.04, "0 s"), (0.25, "0.3 s"), (9.96, "10 s"), (12, "12 s"), (119, "119 s"), (120, "2 min"),
        (7200, "2 h"),
        (172_800, "2 d"), (-30, "-30 s"), (1e300, "11574074074 d"),
    ])
    func timesAreShort(seconds: Double, text: String) {
        #expect(Span.text(seconds) == text)
    }
}
