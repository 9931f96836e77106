// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import StintClient

extension UUIDv7: ExpressibleByArgument {
    /// Parses an argument of the command line.
    public init?(argument: String) {
        self.init(argument)
    }
}

extension Timestamp: ExpressibleByArgument {
    /// Parses an argument of the command line.
    public init?(argument: String) {
        guard let instant = RFC3339.parse(argument) else { return nil }
        self = instant
    }
}

extension JobState: ExpressibleByArgument {
    /// Parses an argument of the command line.
    public init?(argument: String) {
        self.init(name: argument)
    }

    /// The words that may be given.
    public static var allValueStrings: [String] { allCases.map(\.name) }
    /// The word shown in help.
    public var defaultValueDescription: String { name }
}

extension DeadCause: ExpressibleByArgument {
    /// Parses an argument of the command line.
    public init?(argument: String) {
        self.init(name: argument)
    }

    /// The words that may be given.
    public static var allValueStrings: [String] { allCases.map(\.name) }
    /// The word shown in help.
    public var defaultValueDescription: String { name }
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
