// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// The jobs of a batch, in the order they were submitted.
public struct IDsView: Hashable, Sendable {
    /// One id per job.
    public var ids: [JobID]

    package init(ids: [JobID]) {
        self.ids = ids
    }
}

extension IDsView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("ids")
            json.array(ids) { json, id in json.id(id) }
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var ids: [JobID]?
        try json.anyObject { (json, name) throws(JSONProblem) in
            guard name == "ids" else { return try json.skip() }
            var found: [JobID] = []
            try json.array { (json, _) throws(JSONProblem) in found.append(try json.id()) }
            ids = found
        }
        guard let ids else { throw .missing("ids") }
        self.init(ids: ids)
    }
}
