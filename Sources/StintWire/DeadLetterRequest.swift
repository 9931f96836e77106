// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// Which dead letters are meant.
///
/// All that is set must hold; nothing set means every dead letter.
public struct DeadLetterSelection: Hashable, Sendable {
    /// Those of this queue.
    public var queue: String?
    /// Those of this job name.
    public var name: String?
    /// Those that died of this.
    public var cause: DeadCause?
    /// Those of this group.
    public var fingerprint: String?
    /// These jobs only.
    public var ids: [JobID]?

    /// Creates a selection.
    public init(
        queue: String? = nil,
        name: String? = nil,
        cause: DeadCause? = nil,
        fingerprint: String? = nil,
        ids: [JobID]? = nil
    ) {
        self.queue = queue
        self.name = name
        self.cause = cause
        self.fingerprint = fingerprint
        self.ids = ids
    }
}

/// The body of `POST /v1/dead-letters/redrive` and `/purge`.
package struct DeadLetterRequest: Hashable, Sendable {
    package static let limitDefault = 1000
    package static let limitMax = 10_000
    package static let idsMax = 10_000

    package var selection = DeadLetterSelection()
    package var limit: Int = Self.limitDefault
    /// How many become due per second; all at once when nil.
    package var perSecond: Double?

    package init(selection: DeadLetterSelection = DeadLetterSelection(), limit: Int, perSecond: Double? = nil) {
        self.selection = selection
        self.limit = limit
        self.perSecond = perSecond
    }

    private init() {}

    private static let redriveFields = JSONFields("filter", "limit", "per_second")
    private static let purgeFields = JSONFields("filter", "limit")

    /// Strict.
    package static func read(redrive bytes: some Sequence<UInt8>) throws(JSONProblem) -> DeadLetterRequest {
        try read(bytes, redriveFields)
    }

    /// Strict.
    package static func read(purge bytes: some Sequence<UInt8>) throws(JSONProblem) -> DeadLetterRequest {
        try read(bytes, purgeFields)
    }

    private static func read(
        _ bytes: some Sequence<UInt8>,
        _ fields: JSONFields
    ) throws(JSONProblem) -> DeadLetterRequest {
        try JSONCursor.read(bytes) { json throws(JSONProblem) in
            var request = DeadLetterRequest()
            try json.object(fields) { json, field throws(JSONProblem) in
                if try json.takeNull() { return }
                switch field {
                case 0: request.selection = try DeadLetterSelection(from: &json)
                case 1: request.limit = try json.int(in: 1...limitMax)
                // One in a thousand seconds is slow enough for anyone.
                default: request.perSecond = try json.double(in: 0.001...100_000)
                }
            }
            return request
        }
    }

    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("filter") { selection.write(to: &$0) }
            json.member("limit") { $0.int(limit) }
            if let perSecond { json.member("per_second") { $0.double(perSecond) } }
        }
    }
}

extension DeadLetterSelection {
    private static let fields = JSONFields("queue", "name", "cause", "fingerprint", "ids")

    /// Strict.
    init(from json: inout JSONCursor) throws(JSONProblem) {
        var selection = Self()
        try json.object(Self.fields) { json, field throws(JSONProblem) in
            if try json.takeNull() { return }
            switch field {
            case 0: selection.queue = try json.laneName()
            case 1: selection.name = try json.laneName()
            case 2: selection.cause = try json.knownCause()
            case 3: selection.fingerprint = try json.line(lengthMax: 128, minimum: 1)
            default: selection.ids = try json.ids()
            }
        }
        self = selection
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            if let queue { json.member("queue") { $0.string(queue) } }
            if let name { json.member("name") { $0.string(name) } }
            if let cause { json.member("cause") { $0.string(cause.name) } }
            if let fingerprint { json.member("fingerprint") { $0.string(fingerprint) } }
            if let ids { json.member("ids") { $0.array(ids) { json, id in json.id(id) } } }
        }
    }
}

extension JSONCursor {
    fileprivate mutating func knownCause() throws(JSONProblem) -> DeadCause {
        guard let cause = DeadCause(name: try string()) else {
            throw JSONProblem("must be one of \(DeadCause.allCases.map(\.name).joined(separator: ", "))")
        }
        return cause
    }

    fileprivate mutating func ids() throws(JSONProblem) -> [JobID] {
        var ids: [JobID] = []
        try array { json, index throws(JSONProblem) in
            guard index < DeadLetterRequest.idsMax else {
                throw JSONProblem("more than \(DeadLetterRequest.idsMax) ids")
            }
            ids.append(try json.id())
        }
        // No id at all could be meant as all dead letters: it must not be.
        guard !ids.isEmpty else { throw JSONProblem("must name at least one job") }
        return ids
    }
}
