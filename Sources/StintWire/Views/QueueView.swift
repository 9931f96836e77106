// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// A queue as the API shows it.
public struct QueueView: Hashable, Sendable {
    /// Its name.
    public var queue: String
    /// Whether no job of it is started.
    public var isPaused: Bool
    /// Who paused it.
    public var pausedBy: String?
    /// Jobs by state.
    public var counts: [JobState: Int]
    /// How long the available job that waits longest has waited, nil when none is available.
    public var oldestAvailableAgeSeconds: Double?

    package init(
        queue: String,
        pausedBy: String?,
        counts: [JobState: Int],
        oldestAvailableAgeSeconds: Double?
    ) {
        self.queue = queue
        isPaused = pausedBy != nil
        self.pausedBy = pausedBy
        self.counts = counts
        self.oldestAvailableAgeSeconds = oldestAvailableAgeSeconds
    }
}

extension QueueView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("queue")
            json.string(queue)
            json.name("paused")
            json.bool(isPaused)
            json.name("paused_by")
            json.string(pausedBy)
            json.name("counts")
            json.stateCounts(counts)
            json.name("oldest_available_age_seconds")
            json.double(oldestAvailableAgeSeconds)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var queue: String?
        var view = QueueView(queue: "", pausedBy: nil, counts: [:], oldestAvailableAgeSeconds: nil)
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "queue": queue = try json.string()
            case "paused": view.isPaused = try json.bool()
            case "paused_by": view.pausedBy = try json.optionalString()
            case "counts": view.counts = try json.stateCounts()
            case "oldest_available_age_seconds": view.oldestAvailableAgeSeconds = try json.optionalDouble()
            default: try json.skip()
            }
        }
        guard let queue else { throw .missing("queue") }
        view.queue = queue
        self = view
    }
}
