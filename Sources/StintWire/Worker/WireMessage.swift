// SPDX-License-Identifier: Apache-2.0

/// A JSON document of the worker protocol.
///
/// Requests are read strictly, since the server reads them and a typo must not be
/// ignored silently; answers tolerantly, since the server may be newer than the worker.
package protocol WireMessage: Sendable {
    init(from cursor: inout JSONCursor) throws(JSONProblem)
    func write(to writer: inout JSONWriter)
}

extension WireMessage {
    /// Reads a whole body.
    package static func read(_ bytes: some Sequence<UInt8>) throws(JSONProblem) -> Self {
        try JSONCursor.read(bytes) { cursor throws(JSONProblem) in try Self(from: &cursor) }
    }

    /// The whole body; `capacity` is a guess of its length.
    package func encoded(capacity: Int = 256) -> [UInt8] {
        JSONWriter.write(capacity: capacity) { write(to: &$0) }
    }
}

/// The bounds of the worker protocol, which the server enforces and a worker keeps.
package enum WorkerProtocolLimits {
    package static let concurrencyMax = 10_000
    package static let queuesMax = 1_000
    package static let jobNamesMax = 10_000
    package static let labelsMax = 64
    /// Unicode scalars of a worker's name, host and SDK.
    package static let nameCharactersMax = 256
    /// Characters of a queue or job name.
    package static let laneCharactersMax = 128
    package static let leaseCharactersMax = 128
    package static let waitSecondsMax = 60.0
    package static let progressCharactersMax = 1_000
    package static let resultBytesMax = 1 << 20
    package static let errorTypeBytesMax = 256
    package static let errorMessageBytesMax = 8 << 10
    package static let errorStackBytesMax = 32 << 10
    /// 30 days.
    package static let retryAfterSecondsMax = 2_592_000.0
    /// 10 years of 365 days.
    package static let snoozeSecondsMax = 315_360_000.0
    /// A worker puts no more results into one request than fit this many bytes, but always at least one.
    package static let reportBytesAim = 4 << 20
    /// What a server takes as the body of a worker's request: ``reportBytesAim``, one more result of the largest size with
    /// its error, and the names of 10,000 leases.
    package static let requestBytesMax = 8 << 20
    /// A server grants no more jobs in one answer than fit this many bytes, but always at least one.
    package static let grantBytesAim = 8 << 20
    /// What a worker takes as the body of an answer.
    package static let answerBytesMax = 64 << 20
}
