// SPDX-License-Identifier: Apache-2.0

package import StintModel

/// The short answer of `POST /submit_job`.
package struct SubmittedView: Hashable, Sendable {
    package var jobID: JobID
    package var state: String
    package var message: String

    package init(jobID: JobID, state: JobState, message: String = "Job created successfully") {
        self.jobID = jobID
        self.state = state.name
        self.message = message
    }
}

extension SubmittedView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("job_id")
            json.id(jobID)
            json.name("state")
            json.string(state)
            json.name("message")
            json.string(message)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var jobID: JobID?
        var (state, message) = ("", "")
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "job_id": jobID = try json.id()
            case "state": state = try json.string()
            case "message": message = try json.string()
            default: try json.skip()
            }
        }
        guard let jobID else { throw .missing("job_id") }
        self.jobID = jobID
        self.state = state
        self.message = message
    }
}
