// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import StintModel

extension UUIDv7 {
    init(_ uuid: PostgresUUID) {
        self.init(high: uuid.high, low: uuid.low)
    }

    var column: PostgresUUID { PostgresUUID(high: high, low: low) }
}

extension PostgresRow {
    func time(_ column: Int) -> Timestamp { Timestamp(milliseconds: integer(column)) }

    func timeOrNil(_ column: Int) -> Timestamp? { integerOrNil(column).map { Timestamp(milliseconds: $0) } }
}

extension PostgresParameters {
    mutating func add(ids: some Collection<UUIDv7>) {
        add(ids.map { $0.column as PostgresUUID? })
    }

    mutating func add(integers: some Collection<Int>) {
        add(integers.map { Int32(clamping: $0) as Int32? })
    }

    mutating func add(states: some Collection<JobState>) {
        add(states.map { Int16($0.rawValue) as Int16? })
    }

    mutating func add(times: some Collection<Timestamp>) {
        add(times.map { $0.milliseconds as Int64? })
    }

    mutating func add(_ time: Timestamp) {
        add(time.milliseconds as Int64?)
    }

    mutating func add(_ id: UUIDv7) {
        add(id.column as PostgresUUID?)
    }

    mutating func add(limit: Int) {
        add(Int64(max(0, limit)) as Int64?)
    }
}

/// A retry policy as a column: nil for the standard one.
enum RetryText {
    static func encode(_ policy: RetryPolicy) -> String? {
        guard policy != .standard else { return nil }
        return "\(policy.baseSeconds) \(policy.factor) \(policy.capSeconds) \(policy.jitter.rawValue)"
    }

    /// Nil when the column is not what ``encode(_:)`` writes.
    static func decode(_ text: String?) -> RetryPolicy? {
        guard let text else { return .standard }
        let parts = text.split(separator: " ")
        guard parts.count == 4, let base = Double(parts[0]), let factor = Double(parts[1]), let cap = Double(parts[2]),
            let jitter = RetryPolicy.Jitter(rawValue: String(parts[3]))
        else { return nil }
        return RetryPolicy(baseSeconds: base, factor: factor, capSeconds: cap, jitter: jitter)
    }
}

extension String {
    /// Fit for a `text` column, which cannot hold U+0000.
    var storable: String {
        utf8.contains(0) ? String(map { $0 == "\0" ? "\u{FFFD}" : $0 }) : self
    }
}
