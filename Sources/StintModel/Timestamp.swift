// SPDX-License-Identifier: Apache-2.0

/// An instant: milliseconds since 1970-01-01T00:00:00Z, as the record's clock tells them.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Milliseconds since the Unix epoch.
    public var milliseconds: Int64

    /// Creates an instant from milliseconds since the Unix epoch.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Orders instants in time.
    public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool {
        lhs.milliseconds < rhs.milliseconds
    }

    /// The instant `span` later; saturates instead of overflowing.
    public static func + (instant: Timestamp, span: Milliseconds) -> Timestamp {
        let (sum, overflow) = instant.milliseconds.addingReportingOverflow(span.count)
        return Timestamp(milliseconds: overflow ? (span.count > 0 ? .max : .min) : sum)
    }

    /// The instant `span` earlier; saturates instead of overflowing.
    public static func - (instant: Timestamp, span: Milliseconds) -> Timestamp {
        instant + Milliseconds(0 &- span.count)
    }

    /// How long after `earlier` this instant is; negative when it is before.
    public func since(_ earlier: Timestamp) -> Milliseconds {
        Milliseconds(milliseconds &- earlier.milliseconds)
    }
}

/// A span of time in whole milliseconds.
public struct Milliseconds: Hashable, Comparable, Sendable {
    /// The number of milliseconds.
    public var count: Int64

    /// Creates a span of `count` milliseconds.
    public init(_ count: Int64) {
        self.count = count
    }

    /// A span of `seconds`, rounded to the nearest millisecond and clamped to ±292 million years.
    public static func seconds(_ seconds: Double) -> Milliseconds {
        let scaled = (seconds * 1000).rounded()
        guard scaled.isFinite, abs(scaled) < 9e18 else { return Milliseconds(scaled < 0 ? .min : .max) }
        return Milliseconds(Int64(scaled))
    }

    /// The span in seconds.
    public var seconds: Double { Double(count) / 1000 }

    /// Orders spans by length.
    public static func < (lhs: Milliseconds, rhs: Milliseconds) -> Bool {
        lhs.count < rhs.count
    }
}
