// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import StintClient

extension UUIDv7: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(argument)
    }
}

extension Timestamp: ExpressibleByArgument {
    package init?(argument: String) {
        guard let instant = RFC3339.parse(argument) else { return nil }
        self = instant
    }
}

extension JobState: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(name: argument)
    }

    package static var allValueStrings: [String] { allCases.map(\.name) }
    package var defaultValueDescription: String { name }
}

extension DeadCause: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(name: argument)
    }

    package static var allValueStrings: [String] { allCases.map(\.name) }
    package var defaultValueDescription: String { name }
}

/// `name=value`.
struct Pair: ExpressibleByArgument {
    var name: String
    var value: String

    init?(argument: String) {
        guard let separator = argument.firstIndex(of: "="), separator > argument.startIndex else { return nil }
        name = String(argument[..<separator])
        value = String(argument[argument.index(after: separator)...])
    }
}
