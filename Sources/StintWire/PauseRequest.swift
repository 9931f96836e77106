// SPDX-License-Identifier: Apache-2.0

/// The body of `POST /v1/queues/{queue}/pause`, which may be left out.
package struct PauseRequest: Hashable, Sendable {
    /// Who pauses it, for others to see.
    package var by: String?

    package init(by: String?) {
        self.by = by
    }

    /// A longer name is of use to nobody.
    package static let byCharactersMax = 128

    private static let fields = JSONFields("by")

    /// Strict; white space alone is no body.
    package static func read(_ bytes: some Sequence<UInt8>) throws(JSONProblem) -> PauseRequest {
        var request = PauseRequest(by: nil)
        let isEmpty = bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
        guard !isEmpty else { return request }
        request.by = try JSONCursor.read(bytes) { json throws(JSONProblem) in
            var by: String?
            try json.object(fields) { json, _ throws(JSONProblem) in
                if try !json.takeNull() { by = try json.line(lengthMax: byCharactersMax, minimum: 1) }
            }
            return by
        }
        return request
    }

    package func write(to json: inout JSONWriter) {
        json.object { json in
            if let by { json.member("by") { $0.string(by) } }
        }
    }
}
