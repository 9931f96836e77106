// SPDX-License-Identifier: Apache-2.0

/// What became of one reported result.
package struct ReportedResult: Hashable, Sendable {
    package enum Status: String, CaseIterable, Sendable {
        /// It took effect, now or when it was sent before.
        case accepted
        /// The lease is not, or not any more, the session's own. No effect.
        case leaseLost = "lease_lost"
        /// The attempt was already reported with another outcome. No effect.
        case alreadyReported = "already_reported"
    }

    package var lease: WireLease
    package var status: Status

    package init(lease: WireLease, status: Status) {
        self.lease = lease
        self.status = status
    }
}

extension ReportedResult: WireMessage {
    private static let fields = JSONFields("lease", "status")

    /// Tolerant: a status this version does not know is read as ``Status/leaseLost``, since the report has been dealt with
    /// and repeating it would not help.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var lease: WireLease?
        var status = Status.leaseLost
        try cursor.tolerantObject(Self.fields) { cursor, field throws(JSONProblem) in
            switch field {
            case 0: lease = try WireLease(from: &cursor)
            default: status = Status(rawValue: try cursor.string()) ?? .leaseLost
            }
        }
        guard let lease else { throw JSONProblem("is required").inside("lease") }
        self.init(lease: lease, status: status)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("lease")
            lease.write(to: &writer)
            writer.name("status")
            writer.string(status.rawValue)
        }
    }
}
