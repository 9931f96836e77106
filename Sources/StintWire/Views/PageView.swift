// SPDX-License-Identifier: Apache-2.0

/// One page of a list.
public struct PageView<Item: Sendable>: Sendable {
    /// What is on this page; may be empty although more pages follow.
    public var items: [Item]
    /// Where the next page starts, nil on the last one.
    public var nextCursor: String?

    package init(items: [Item], nextCursor: String? = nil) {
        self.items = items
        self.nextCursor = nextCursor
    }
}

extension PageView: Equatable where Item: Equatable {}

extension PageView: WireView where Item: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("items")
            json.array(items) { json, item in item.write(to: &json) }
            json.name("next_cursor")
            json.string(nextCursor)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var items: [Item]?
        var nextCursor: String?
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "items": items = try json.views()
            case "next_cursor": nextCursor = try json.optionalString()
            default: try json.skip()
            }
        }
        guard let items else { throw .missing("items") }
        self.init(items: items, nextCursor: nextCursor)
    }
}
