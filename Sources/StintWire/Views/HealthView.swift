// SPDX-License-Identifier: Apache-2.0

/// How a server is.
public struct HealthView: Hashable, Sendable {
    /// `ok`, or a word for what is wrong.
    public var status: String
    /// The server's version, nil when it does not say.
    public var version: String?

    package init(status: String = "ok", version: String? = StintVersion.current) {
        self.status = status
        self.version = version
    }
}

extension HealthView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("status")
            json.string(status)
            json.name("version")
            json.string(version)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var view = HealthView(status: "", version: nil)
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "status": view.status = try json.string()
            case "version": view.version = try json.optionalString()
            default: try json.skip()
            }
        }
        self = view
    }
}
