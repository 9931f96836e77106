// SPDX-License-Identifier: Apache-2.0

/// Rows of text under titles, in columns that stand below each other.
package struct Table: Sendable {
    package struct Column: Sendable {
        var title: String
        var isRight: Bool
        /// Never cut: half an id is of no use.
        var isWhole: Bool

        package init(_ title: String, isRight: Bool = false, isWhole: Bool = false) {
            self.title = title
            self.isRight = isRight
            self.isWhole = isWhole
        }
    }

    package struct Cell: Sendable, ExpressibleByStringInterpolation {
        var text: String
        var style: Style

        package init(_ text: String, _ style: Style = .plain) {
            self.text = DisplayText.safe(text)
            self.style = style
        }

        package init(stringLiteral text: String) {
            self.init(text)
        }
    }

    package var columns: [Column]
    package var rows: [[Cell]] = []

    package init(_ columns: [Column], rows: [[Cell]] = []) {
        self.columns = columns
        self.rows = rows
    }

    /// Columns between columns.
    private static let gap = 2
    private static let columnMin = 4

    /// The lines of the table, cut to `width` columns where that is given.
    package func lines(width: Int?, hasColors: Bool) -> [String] {
        let widths = fitted(to: width)
        let titles = columns.map { Cell($0.title, .bold) }
        return ([titles] + rows).map { line($0, widths, hasColors) }
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ hasColors: Bool) -> String {
        var line = ""
        // Padding is not coloured, and none is written behind the last text of a line.
        var pending = 0
        for (index, cell) in cells.enumerated() {
            let text = DisplayText.cut(cell.text, to: widths[index])
            let padding = widths[index] - DisplayText.width(text)
            if columns[index].isRight { pending += padding }
            if !text.isEmpty {
                line += String(repeating: " ", count: pending) + (hasColors ? cell.style.applied(to: text) : text)
                pending = 0
            }
            pending += (columns[index].isRight ? 0 : padding) + Self.gap
        }
        return line
    }

    /// Takes from the widest columns that may be cut until all fit.
    private func fitted(to width: Int?) -> [Int] {
        var widths = columns.indices.map { index in
            rows.reduce(DisplayText.width(columns[index].title)) { max($0, DisplayText.width($1[index].text)) }
        }
        guard let width else { return widths }
        var excess = widths.reduce(0, +) + Self.gap * (columns.count - 1) - width
        while excess > 0 {
            let candidates = widths.indices.filter { !columns[$0].isWhole && widths[$0] > Self.columnMin }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }
}
