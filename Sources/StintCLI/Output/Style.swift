// SPDX-License-Identifier: Apache-2.0

import StintModel

/// How a piece of text looks on a terminal that has colours.
package enum Style: String, Sendable {
    case plain = ""
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case cyan = "36"

    func applied(to text: String) -> String {
        self == .plain || text.isEmpty ? text : "\u{1B}[\(rawValue)m\(text)\u{1B}[0m"
    }
}

extension JobState {
    var style: Style {
        switch self {
        case .blocked, .scheduled: .yellow
        case .available: .cyan
        case .running: .blue
        case .completed: .green
        case .dead: .red
        case .cancelled, .expired: .dim
        }
    }
}

extension WorkerState {
    var style: Style {
        switch self {
        case .available: .green
        case .busy: .blue
        case .draining: .yellow
        case .unavailable: .dim
        }
    }
}
