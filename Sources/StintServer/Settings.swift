// SPDX-License-Identifier: Apache-2.0

/// A configuration that cannot be used; one sentence for the person who starts the process.
package struct ConfigurationError: Error, CustomStringConvertible, Sendable {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Named values from several places: flag, then environment, then file, then default.
package struct SettingSource: Sendable {
    /// By the setting's environment name.
    private let flags: [String: String]
    private let environment: [String: String]
    private let file: [String: String]
    private let filePath: String?

    /// - Parameters:
    ///   - flags: By the setting's environment name, such as `STINT_API_PORT`.
    ///   - file: By the same name.
    package init(
        flags: [String: String] = [:],
        environment: [String: String] = [:],
        file: [String: String] = [:],
        filePath: String? = nil
    ) {
        self.flags = flags
        self.environment = environment
        self.file = file
        self.filePath = filePath
    }

    /// The value and where it came from.
    ///
    /// An empty value counts as none.
    private func find(_ name: String) -> (value: String, origin: String)? {
        if let value = flags[name], !value.isEmpty { return (value, "the flag --\(Self.flagName(name))") }
        if let value = environment[name], !value.isEmpty { return (value, "the environment variable \(name)") }
        if let value = file[name], !value.isEmpty {
            return (value, "\(Self.fileName(name)) in \(filePath ?? "the configuration file")")
        }
        return nil
    }

    /// `STINT_API_PORT` → `api-port`.
    package static func flagName(_ name: String) -> String {
        fileName(name).map { $0 == "_" ? "-" : String($0) }.joined()
    }

    /// `STINT_API_PORT` → `api_port`.
    package static func fileName(_ name: String) -> String {
        String(name.dropFirst("STINT_".count)).lowercased()
    }

    package func text(_ name: String) -> String? { find(name)?.value }

    package func text(_ name: String, default fallback: String) -> String { text(name) ?? fallback }

    package func number(_ name: String, _ range: ClosedRange<Double>, default fallback: Double) throws -> Double {
        guard let (value, origin) = find(name) else { return fallback }
        guard let number = Double(value), range.contains(number) else {
            throw refusal(
                name,
                value,
                origin,
                "a number from \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound))"
            )
        }
        return number
    }

    package func int(_ name: String, _ range: ClosedRange<Int>, default fallback: Int) throws -> Int {
        guard let (value, origin) = find(name) else { return fallback }
        guard let number = Int(value), range.contains(number) else {
            throw refusal(name, value, origin, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func bool(_ name: String, default fallback: Bool) throws -> Bool {
        guard let (value, origin) = find(name) else { return fallback }
        switch value.lowercased() {
        case "true", "yes", "1", "on": return true
        case "false", "no", "0", "off": return false
        default: throw refusal(name, value, origin, "true or false")
        }
    }

    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String,
        default fallback: Choice
    ) throws -> Choice where Choice.RawValue == String {
        guard let (value, origin) = find(name) else { return fallback }
        guard let choice = Choice(rawValue: value.lowercased()) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw refusal(name, value, origin, "one of \(known)")
        }
        return choice
    }

    private func refusal(_ name: String, _ value: String, _ origin: String, _ allowed: String) -> ConfigurationError {
        ConfigurationError("\(name) is '\(value)' (from \(origin)); it must be \(allowed)")
    }

    private static func plain(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? "\(number)"
    }
}
