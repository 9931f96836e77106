// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// Dead letters that died of the same thing.
public struct DeadLetterGroupView: Hashable, Sendable {
    /// What they have in common, as a short text to filter by.
    public var fingerprint: String
    /// The name of the jobs.
    public var name: String
    /// The kind of the last error.
    public var errorType: String
    /// The message of one of the errors.
    public var message: String
    /// How many there are.
    public var count: Int
    /// When the first of them died.
    public var firstSeen: Timestamp
    /// When the last of them died.
    public var lastSeen: Timestamp
    /// The queues they stand in.
    public var queues: [String]

    package init(
        fingerprint: String,
        name: String,
        errorType: String,
        message: String,
        count: Int,
        firstSeen: Timestamp,
        lastSeen: Timestamp,
        queues: [String]
    ) {
        self.fingerprint = fingerprint
        self.name = name
        self.errorType = errorType
        self.message = message
        self.count = count
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.queues = queues
    }
}

extension DeadLetterGroupView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("fingerprint")
            json.string(fingerprint)
            json.name("name")
            json.string(name)
            json.name("error_type")
            json.string(errorType)
            json.name("message")
            json.string(message)
            json.name("count")
            json.int(count)
            json.name("first_seen")
            json.time(firstSeen)
            json.name("last_seen")
            json.time(lastSeen)
            json.name("queues")
            json.strings(queues)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        let epoch = Timestamp(milliseconds: 0)
        var fingerprint: String?
        var view = DeadLetterGroupView(
            fingerprint: "",
            name: "",
            errorType: "",
            message: "",
            count: 0,
            firstSeen: epoch,
            lastSeen: epoch,
            queues: []
        )
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "fingerprint": fingerprint = try json.string()
            case "name": view.name = try json.string()
            case "error_type": view.errorType = try json.optionalString() ?? ""
            case "message": view.message = try json.optionalString() ?? ""
            case "count": view.count = try json.int()
            case "first_seen": view.firstSeen = try json.time()
            case "last_seen": view.lastSeen = try json.time()
            case "queues": view.queues = try json.strings()
            default: try json.skip()
            }
        }
        guard let fingerprint else { throw .missing("fingerprint") }
        view.fingerprint = fingerprint
        self = view
    }
}
