// SPDX-License-Identifier: Apache-2.0

/// `POST /v1/workers/{id}/results`: reports results apart from a poll.
package struct ResultsRequest: Hashable, Sendable {
    package var results: [WorkerResult]

    package init(results: [WorkerResult] = []) {
        self.results = results
    }
}

extension ResultsRequest: WireMessage {
    private static let fields = JSONFields("results")

    /// Strict.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var results: [WorkerResult]?
        try cursor.object(Self.fields) { cursor, _ throws(JSONProblem) in results = try cursor.messages() }
        guard let results else { throw JSONProblem("is required").inside("results") }
        self.init(results: results)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("results")
            writer.array(results) { $1.write(to: &$0) }
        }
    }
}

/// One status per result, in order.
package struct ResultsAnswer: Hashable, Sendable {
    package var results: [ReportedResult]

    package init(results: [ReportedResult] = []) {
        self.results = results
    }
}

extension ResultsAnswer: WireMessage {
    private static let fields = JSONFields("results")

    /// Tolerant.
    package init(from cursor: inout JSONCursor) throws(JSONProblem) {
        var results: [ReportedResult] = []
        try cursor.tolerantObject(Self.fields) { cursor, _ throws(JSONProblem) in
            if try cursor.takeNull() { return }
            results = try cursor.messages()
        }
        self.init(results: results)
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("results")
            writer.array(results) { $1.write(to: &$0) }
        }
    }
}
