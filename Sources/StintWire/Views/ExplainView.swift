// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// Why a job is not running.
public struct ExplainView: Hashable, Sendable {
    /// One thing that stands in the way.
    public struct Reason: Hashable, Sendable {
        /// The stable word for it, such as `queue_paused`.
        public var code: String
        /// One sentence a person understands.
        public var message: String
        /// When it will pass, where that is known.
        public var until: Timestamp?

        package init(code: String, message: String, until: Timestamp? = nil) {
            self.code = code
            self.message = message
            self.until = until
        }
    }

    /// Whether it could start at this moment.
    public var isRunnable: Bool
    /// Everything that stands in the way.
    public var reasons: [Reason]

    package init(isRunnable: Bool, reasons: [Reason]) {
        self.isRunnable = isRunnable
        self.reasons = reasons
    }
}

extension ExplainView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("runnable")
            json.bool(isRunnable)
            json.name("reasons")
            json.array(reasons) { json, reason in reason.write(to: &json) }
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var isRunnable: Bool?
        var reasons: [Reason] = []
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "runnable": isRunnable = try json.bool()
            case "reasons": reasons = try json.views()
            default: try json.skip()
            }
        }
        guard let isRunnable else { throw .missing("runnable") }
        self.init(isRunnable: isRunnable, reasons: reasons)
    }
}

extension ExplainView.Reason: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("code")
            json.string(code)
            json.name("message")
            json.string(message)
            json.name("until")
            json.time(until)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var (code, message): (String?, String) = (nil, "")
        var until: Timestamp?
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "code": code = try json.string()
            case "message": message = try json.string()
            case "until": until = try json.optionalTime()
            default: try json.skip()
            }
        }
        guard let code else { throw .missing("code") }
        self.init(code: code, message: message, until: until)
    }
}
