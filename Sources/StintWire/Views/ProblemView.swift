// SPDX-License-Identifier: Apache-2.0

/// An error as the API answers it (RFC 9457).
///
/// ``code`` is the stable part.
public struct ProblemView: Hashable, Sendable {
    /// One thing that is wrong with the request's body.
    public struct Item: Hashable, Sendable {
        /// RFC 6901 pointer to the offending value.
        public var pointer: String
        /// What is wrong with it.
        public var detail: String

        package init(pointer: String, detail: String) {
            self.pointer = pointer
            self.detail = detail
        }
    }

    /// The stable word for it, such as `wrong_state`.
    public var code: String
    /// The HTTP status.
    public var status: Int
    /// A few words for the code.
    public var title: String
    /// What happened here.
    public var detail: String
    /// Finds the request in the server's log.
    public var requestID: String
    /// What is wrong with the body.
    public var errors: [Item]
    /// The job of a batch that is wrong, from 0.
    public var index: Int?

    package init(
        code: String,
        status: Int,
        title: String,
        detail: String,
        requestID: String,
        errors: [Item] = [],
        index: Int? = nil
    ) {
        self.code = code
        self.status = status
        self.title = title
        self.detail = detail
        self.requestID = requestID
        self.errors = errors
        self.index = index
    }
}

extension ProblemView: WireView {
    /// The content type of a problem.
    package static let mediaType = "application/problem+json"

    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("type")
            json.string("urn:stint:problem:\(code)")
            json.name("title")
            json.string(title)
            json.name("status")
            json.int(status)
            json.name("code")
            json.string(code)
            json.name("detail")
            json.string(detail)
            json.name("request_id")
            json.string(requestID)
            if !errors.isEmpty {
                json.name("errors")
                json.array(errors) { json, item in item.write(to: &json) }
            }
            if let index {
                json.name("index")
                json.int(index)
            }
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var code: String?
        var view = ProblemView(code: "", status: 0, title: "", detail: "", requestID: "")
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "code": code = try json.string()
            case "status": view.status = try json.int()
            case "title": view.title = try json.optionalString() ?? ""
            case "detail": view.detail = try json.optionalString() ?? ""
            case "request_id": view.requestID = try json.optionalString() ?? ""
            case "errors": view.errors = try json.views()
            case "index": view.index = try json.optionalInt()
            default: try json.skip()
            }
        }
        guard let code else { throw .missing("code") }
        view.code = code
        self = view
    }
}

extension ProblemView.Item: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("pointer")
            json.string(pointer)
            json.name("detail")
            json.string(detail)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var item = Self(pointer: "", detail: "")
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "pointer": item.pointer = try json.string()
            case "detail": item.detail = try json.string()
            default: try json.skip()
            }
        }
        self = item
    }
}
