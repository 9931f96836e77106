// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// What `--output` may be.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case table
    case json
    case yaml
    case id
}

/// What a command has to say, in every form it can be asked for.
package struct Report: Sendable {
    package enum Block: Sendable {
        case table(Table)
        case pairs([(name: String, value: Table.Cell)])
        case line(String)
        case lines([String])
        case heading(String)
    }

    package var blocks: [Block]
    /// One JSON document.
    package var json: [UInt8]
    /// Nil where the command speaks of nothing that has an id.
    package var ids: [String]?
    /// Said beside the output: where the list goes on, that it is empty.
    package var note: String?

    package init(_ blocks: [Block], json: [UInt8], ids: [String]? = nil, note: String? = nil) {
        self.blocks = blocks
        self.json = json
        self.ids = ids
        self.note = note
    }
}

extension Console {
    package func show(_ report: Report, as format: OutputFormat) throws {
        switch format {
        case .table:
            for block in report.blocks {
                for line in lines(of: block) { self.line(line) }
            }
            if let note = report.note { errorLine(note) }
        case .json: line(JSONTree(report.json)?.indented ?? String(decoding: report.json, as: UTF8.self))
        case .yaml:
            line(JSONTree(report.json).map(YAMLWriter.text) ?? String(decoding: report.json, as: UTF8.self))
        case .id:
            guard let ids = report.ids else {
                throw ValidationError("this command has no ids to print; use --output table, json or yaml")
            }
            for id in ids { line(id) }
        }
    }

    private func lines(of block: Report.Block) -> [String] {
        switch block {
        case .table(let table):
            table.rows.isEmpty ? [] : table.lines(width: width(), hasColors: hasColors)
        case .pairs(let pairs): lines(of: pairs)
        case .line(let text): [DisplayText.safe(text)]
        case .lines(let lines): lines.flatMap(DisplayText.safeLines)
        case .heading(let text): ["", hasColors ? Style.bold.applied(to: text) : text]
        }
    }

    private func lines(of pairs: [(name: String, value: Table.Cell)]) -> [String] {
        let column = pairs.reduce(0) { max($0, DisplayText.width($1.name)) } + 2
        return pairs.map { pair in
            let name = DisplayText.padded(pair.name, to: column)
            return name + (hasColors ? pair.value.style.applied(to: pair.value.text) : pair.value.text)
        }
    }
}
