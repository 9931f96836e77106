// SPDX-License-Identifier: Apache-2.0

package import Logging
import Synchronization

/// Keeps what is logged.
package final class LogRecorder: Sendable {
    package struct Line: Hashable, Sendable {
        package var level: Logger.Level
        package var message: String
        package var metadata: [String: String]
    }

    private let kept = Mutex<[Line]>([])

    package init() {}

    package var lines: [Line] { kept.withLock { $0 } }

    /// What was logged at error or above.
    package var errors: [Line] { lines.filter { $0.level >= .error } }

    package var logger: Logger {
        Logger(label: "test") { _ in Handler(recorder: self) }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            var pairs = metadata
            if let own = event.metadata { pairs.merge(own) { $1 } }
            let line = Line(
                level: event.level,
                message: event.message.description,
                metadata: pairs.mapValues(\.description)
            )
            recorder.kept.withLock { $0.append(line) }
        }
    }
}
