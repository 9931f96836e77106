// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// The names of everything Stint keeps in Redis; docs/redis.md describes each.
package struct RedisKeys: Hashable, Sendable {
    package let prefix: String

    package init(prefix: String = "stint:") {
        self.prefix = prefix
    }

    /// What scripts know a lane by; no queue has a slash in its name.
    static func identifier(_ lane: Lane) -> String { lane.queue + "/" + lane.name }

    static func lane(identifier: String) -> Lane? {
        guard let slash = identifier.firstIndex(of: "/") else { return nil }
        return Lane(queue: String(identifier[..<slash]), name: String(identifier[identifier.index(after: slash)...]))
    }

    /// Sorted set: the lane's jobs in serving order.
    package func jobs(_ lane: Lane) -> String { prefix + "lane:" + Self.identifier(lane) }

    /// Hash: how far the belt knows the lane.
    package func state(_ lane: Lane) -> String { prefix + "state:" + Self.identifier(lane) }

    /// Sorted set: what arrived while a refill is being read.
    package func aside(_ lane: Lane) -> String { prefix + "aside:" + Self.identifier(lane) }

    /// Set: the names of the queue's lanes that have jobs on the belt.
    package func lanes(queue: String) -> String { prefix + "lanes:" + queue }

    /// Set: the queues that have jobs on the belt.
    package var queues: String { prefix + "queues" }

    /// Sorted set: the lanes that want a refill, by the time from which anybody may read it.
    package var refills: String { prefix + "refills" }

    /// Stream: reports that wait for the record.
    package var reports: String { prefix + "reports" }

    /// Integer: how many bytes of reports wait.
    package var reportBytes: String { prefix + "reports:bytes" }

    /// Stream: the newest dead letters, for whoever wants to react.
    package var deadLetters: String { prefix + "dead-letters" }

    /// Channel: what the server processes tell each other.
    package var news: String { prefix + "news" }
}
