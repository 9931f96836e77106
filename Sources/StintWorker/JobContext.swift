// SPDX-License-Identifier: Apache-2.0

public import StintModel
package import StintWire
import Synchronization

/// What a handler can ask and tell while it runs.
///
/// When the handler should stop - the job was called off, its time is up, its lease is lost, the worker stops - its task is
/// cancelled, as everywhere in Swift: `Task.isCancelled`, `Task.checkCancellation()` and cancellable calls work as usual.
public final class JobContext: Sendable {
    package let granted: GrantedJob
    private let sink: any ProgressSink
    private let wasCancelled = Atomic(false)

    package init(_ granted: GrantedJob, sink: any ProgressSink) {
        self.granted = granted
        self.sink = sink
    }

    /// The job's id.
    public var jobID: JobID { granted.id }

    /// The job's name.
    public var name: String { granted.lane.name }

    /// The number of this attempt.
    public var attempt: Int { granted.attempt }

    /// Names this attempt and no other.
    ///
    /// Hand it, or ``attempt``, to other stores that can refuse writers that are out of date.
    public var lease: String { granted.lease.description }

    /// How long the server lets the attempt run.
    public var timeout: Duration { .milliseconds(granted.timeout.count) }

    /// The W3C trace context that was submitted with the job.
    public var traceparent: String? { granted.traceparent }

    /// What was submitted with the job besides its payload.
    public var metadata: [String: String] {
        guard !granted.metadata.isEmpty else { return [:] }
        var pairs: [String: String] = [:]
        let isRead: Void? = try? JSONCursor.read(granted.metadata) { cursor throws(JSONProblem) in
            try cursor.anyObject { cursor, name throws(JSONProblem) in pairs[name] = try cursor.string() }
        }
        // A server that sends anything but an object of strings breaks the protocol; there is no metadata then.
        return isRead == nil ? [:] : pairs
    }

    /// Whether the handler should stop; the same as `Task.isCancelled` in its task, but to be asked from any thread.
    public var isCancelled: Bool { wasCancelled.load(ordering: .relaxed) }

    /// Shows how far the job is, to whoever looks at it; sent with the next heartbeat, at most once a second.
    ///
    /// - Parameters:
    ///   - percent: 0…100; what is beyond is cut.
    ///   - message: A few words, at most 1,000 characters; what is beyond is cut.
    public func progress(percent: Double? = nil, message: String? = nil) {
        let percent = percent.flatMap { $0.isFinite ? min(100, max(0, $0)) : nil }
        let limit = WorkerProtocolLimits.progressCharactersMax
        let message = message.map { String($0.unicodeScalars.prefix(limit)) }
        sink.progressed(granted.lease, JobProgress(percent: percent, message: message))
    }

    func cancel() {
        wasCancelled.store(true, ordering: .relaxed)
    }
}

/// Where handlers' progress goes.
package protocol ProgressSink: AnyObject, Sendable {
    func progressed(_ lease: WireLease, _ progress: JobProgress)
}
