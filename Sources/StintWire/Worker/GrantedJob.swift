// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// A job as granted to a worker.
package struct GrantedJob: Hashable, Sendable {
    package var id: JobID
    package var lane: Lane
    /// One JSON value's exact bytes.
    package var payload: [UInt8]
    package var attempt: Int
    package var maxAttempts: Int
    package var lease: WireLease
    /// How long the server lets the attempt run.
    package var timeout: Milliseconds
    package var createdAt: Timestamp
    /// A JSON object of strings; empty when there is none.
    package var metadata: [UInt8]
    package var traceparent: String?

    package init(
        lease: WireLease,
        id: JobID,
        lane: Lane,
        payload: [UInt8],
        attempt: Int,
        maxAttempts: Int,
        timeout: Milliseconds,
        createdAt: Timestamp,
        metadata: [UInt8] = [],
        traceparent: String? = nil
    ) {
        self.lease = lease
        self.id = id
        self.lane = lane
        self.payload = payload
        self.attempt = attempt
        self.maxAttempts = maxAttempts
        self.timeout = timeout
        self.createdAt = createdAt
        self.metadata = metadata
        self.traceparent = traceparent
    }
}

extension GrantedJob: WireMessage {
    private static let fields = JSONFields(
        "id",
        "name",
        "queue",
        "payload",
        "attempt",
        "max_attempts",
        "lease",
        "timeout_seconds",
        "created_at",
        "metadata",
        "traceparent"
    )

    /// Tolerant: `id`, `name`, `attempt` and `lease` are required, nothing else.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var parts = Parts()
        try cursor.tolerantObject(Self.fields) { cursor, field throws(JSONProblem) in
            try parts.read(field, from: &cursor)
        }
        guard let id = parts.id, let name = parts.name, let lease = parts.lease, let attempt = parts.attempt else {
            throw JSONProblem("a job needs id, name, attempt and lease")
        }
        self.init(
            lease: lease,
            id: id,
            lane: Lane(queue: parts.queue, name: name),
            payload: parts.payload.map { cursor.slice($0) } ?? Array("null".utf8),
            attempt: attempt,
            maxAttempts: parts.maxAttempts,
            timeout: parts.timeout,
            createdAt: parts.createdAt,
            metadata: parts.metadata.map { cursor.slice($0) } ?? [],
            traceparent: parts.traceparent
        )
    }

    private struct Parts {
        var id: JobID?
        var name: String?
        var queue = "default"
        var payload: Range<Int>?
        var attempt: Int?
        var maxAttempts = 1
        var lease: WireLease?
        var timeout = Milliseconds.seconds(1_800)
        var createdAt = Timestamp(milliseconds: 0)
        var metadata: Range<Int>?
        var traceparent: String?

        mutating func read(_ field: Int, from cursor: inout JSONCursor) throws(JSONProblem) {
            if field > 3, try cursor.takeNull() { return }
            switch field {
            case 0: id = try Self.id(from: &cursor)
            case 1: name = try cursor.string()
            case 2: queue = try cursor.string()
            case 3: payload = try cursor.skipValue()
            case 4: attempt = try cursor.int()
            case 5: maxAttempts = try cursor.int()
            case 6: lease = try WireLease(from: &cursor)
            case 7: timeout = .seconds(try cursor.double())
            case 8: createdAt = try Self.time(from: &cursor)
            case 9:
                let range = try cursor.skipValue()
                if range.count > 2 { metadata = range }
            default: traceparent = try cursor.string()
            }
        }

        private static func id(from cursor: inout JSONCursor) throws(JSONProblem) -> JobID {
            guard cursor.peek() == UInt8(ascii: "\"") else { throw cursor.unexpected("a job id") }
            let range = try cursor.skipString()
            guard let id = JobID(utf8: UnsafeBufferPointer(rebasing: cursor.bytes[range])) else {
                throw JSONProblem("must be a job id")
            }
            return id
        }

        private static func time(from cursor: inout JSONCursor) throws(JSONProblem) -> Timestamp {
            guard let instant = RFC3339.parse(try cursor.string()) else { throw JSONProblem("must be a time") }
            return instant
        }
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("id")
            writer.id(id)
            writer.name("name")
            writer.string(lane.name)
            writer.name("queue")
            writer.string(lane.queue)
            writer.name("payload")
            writer.raw(payload)
            writer.name("attempt")
            writer.int(attempt)
            writer.name("max_attempts")
            writer.int(maxAttempts)
            writer.name("lease")
            lease.write(to: &writer)
            writer.name("timeout_seconds")
            writer.double(timeout.seconds)
            writer.name("created_at")
            writer.time(createdAt)
            writeContext(to: &writer)
        }
    }

    private func writeContext(to writer: inout JSONWriter) {
        writer.name("metadata")
        if metadata.isEmpty {
            writer.object { _ in }
        } else {
            writer.raw(metadata)
        }
        writer.name("traceparent")
        writer.string(traceparent)
    }
}
