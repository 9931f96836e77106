// SPDX-License-Identifier: Apache-2.0

/// How many jobs a mass action concerned.
public struct CountView: Hashable, Sendable {
    /// The number of jobs.
    public var count: Int

    package init(count: Int) {
        self.count = count
    }
}

extension CountView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("count")
            json.int(count)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var count: Int?
        try json.anyObject { (json, name) throws(JSONProblem) in
            if name == "count" { count = try json.int() } else { try json.skip() }
        }
        guard let count else { throw .missing("count") }
        self.init(count: count)
    }
}
