// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// Something that the API answers.
///
/// Servers write it; clients read it and skip what they do not know, so that an older client understands a newer server.
package protocol WireView: Sendable {
    func write(to json: inout JSONWriter)
    init(from json: inout JSONCursor) throws(JSONProblem)
}

extension WireView {
    /// Reads a whole document.
    package static func read(_ bytes: some Sequence<UInt8>) throws(JSONProblem) -> Self {
        try JSONCursor.read(bytes) { (json) throws(JSONProblem) in try Self(from: &json) }
    }

    /// The whole document.
    package func encoded(capacity: Int = 256) -> [UInt8] {
        JSONWriter.write(capacity: capacity) { write(to: &$0) }
    }
}

extension JSONCursor {
    /// Moves over a value that is of no interest.
    package mutating func skip() throws(JSONProblem) {
        _ = try skipValue()
    }

    /// One value's exact bytes.
    package mutating func raw() throws(JSONProblem) -> [UInt8] {
        slice(try skipValue())
    }

    package mutating func time() throws(JSONProblem) -> Timestamp {
        guard let time = RFC3339.parse(try string()) else {
            throw JSONProblem("must be a time in RFC 3339 form, such as 2026-12-01T09:00:00Z")
        }
        return time
    }

    package mutating func id() throws(JSONProblem) -> UUIDv7 {
        guard let id = UUIDv7(try string()) else { throw JSONProblem("must be an id") }
        return id
    }

    package mutating func strings() throws(JSONProblem) -> [String] {
        var strings: [String] = []
        try array { (json, _) throws(JSONProblem) in strings.append(try json.string()) }
        return strings
    }

    /// A whole number for each job state that is known here.
    package mutating func stateCounts() throws(JSONProblem) -> [JobState: Int] {
        var counts: [JobState: Int] = [:]
        try anyObject { (json, name) throws(JSONProblem) in
            if let state = JobState(name: name) {
                counts[state] = try json.int()
            } else {
                try json.skip()
            }
        }
        return counts
    }

    package mutating func optionalString() throws(JSONProblem) -> String? {
        try takeNull() ? nil : string()
    }

    package mutating func optionalInt() throws(JSONProblem) -> Int? {
        try takeNull() ? nil : int()
    }

    package mutating func optionalDouble() throws(JSONProblem) -> Double? {
        try takeNull() ? nil : double()
    }

    package mutating func optionalTime() throws(JSONProblem) -> Timestamp? {
        try takeNull() ? nil : time()
    }

    package mutating func optionalRaw() throws(JSONProblem) -> [UInt8]? {
        try takeNull() ? nil : raw()
    }
}

extension JSONWriter {
    /// Every state with its count, zero where none is given.
    package mutating func stateCounts(_ counts: [JobState: Int]) {
        object { json in
            for state in JobState.allCases {
                json.name(dynamic: state.name)
                json.int(counts[state] ?? 0)
            }
        }
    }

    package mutating func strings(_ strings: [String]) {
        array(strings) { json, string in json.string(string) }
    }

    package mutating func double(_ value: Double?) {
        if let value { double(value) } else { null() }
    }
}

extension JSONProblem {
    /// A field that must be there is not.
    package static func missing(_ field: String) -> JSONProblem {
        JSONProblem("the field is required", pointer: "/\(field)")
    }
}
