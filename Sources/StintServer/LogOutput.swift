// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Logging
package import StintModel
import StintWire
import Synchronization

/// Log lines on standard error, as text for people or one JSON object per line for machines.
package struct LogOutput: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let isJSON: Bool
    private let label: String

    package init(label: String, level: Logger.Level, isJSON: Bool) {
        self.label = label
        self.isJSON = isJSON
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        Self.write(line(event))
    }

    /// What is written of an event, with the line break at its end and no other.
    func line(_ event: LogEvent) -> [UInt8] {
        var pairs = metadata
        if let own = event.metadata { pairs.merge(own) { $1 } }
        let values = pairs.map { (key: $0.key, value: $0.value.description) }.sorted { $0.key < $1.key }
        return isJSON ? json(event, values) : text(event, values)
    }

    /// Names that every JSON line has; metadata of the same name gets a `_` behind it.
    private static let ownNames: Set = ["time", "level", "logger", "message"]

    private func json(_ event: LogEvent, _ values: [(key: String, value: String)]) -> [UInt8] {
        let bytes = JSONWriter.write { json in
            json.object { json in
                json.name("time")
                json.time(Self.now)
                json.name("level")
                json.string(event.level.rawValue)
                json.name("logger")
                json.string(label)
                json.name("message")
                json.string(event.message.description)
                for (key, value) in values {
                    json.name(dynamic: Self.ownNames.contains(key) ? key + "_" : key)
                    json.string(value)
                }
            }
        }
        return bytes + [UInt8(ascii: "\n")]
    }

    private func text(_ event: LogEvent, _ values: [(key: String, value: String)]) -> [UInt8] {
        let tail = values.map { " \(Self.oneLine($0.key))=\(Self.quoted($0.value))" }.joined()
        let level = event.level.rawValue.uppercased()
        return Array("\(RFC3339.format(Self.now)) \(level) \(Self.oneLine(event.message.description))\(tail)\n".utf8)
    }

    private static func quoted(_ value: String) -> String {
        let needsQuotes = value.isEmpty || value.unicodeScalars.contains { $0 == " " || $0 == "\"" || $0 == "=" }
        guard needsQuotes else { return oneLine(value) }
        var escaped = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { escaped.append("\\") }
            escaped.append(scalar)
        }
        return "\"" + oneLine(String(escaped)) + "\""
    }

    /// A line break in a value must not look like a new entry, and nothing in it may steer a terminal.
    ///
    /// Scalar by scalar: as a character, `\r\n` is neither of its two parts.
    private static func oneLine(_ text: String) -> String {
        var line = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": line.append(contentsOf: "\\n".unicodeScalars)
            case "\r": line.append(contentsOf: "\\r".unicodeScalars)
            case "\t": line.append(contentsOf: "\\t".unicodeScalars)
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
                line.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            default: line.append(scalar)
            }
        }
        return String(line)
    }

    private static var now: Timestamp { SystemClock.now() }

    /// One call per line, so that lines of several threads do not mix.
    private static func write(_ line: [UInt8]) {
        line.withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// The machine's wall clock.
package enum SystemClock {
    /// Milliseconds since the Unix epoch.
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
