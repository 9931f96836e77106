// SPDX-License-Identifier: Apache-2.0

import StintWire

/// Where a server is: `http://host:port`, perhaps with a path in front of its own.
package struct ServerAddress: Hashable, Sendable {
    /// Without a slash at its end.
    package let text: String

    /// Checks an address.
    ///
    /// Credentials in it are refused: they would show up in messages and logs.
    package init(_ text: String) throws(ClientError) {
        var address = Substring(text)
        while address.hasSuffix("/") { address.removeLast() }
        guard let scheme = ["http://", "https://"].first(where: { address.lowercased().hasPrefix($0) }) else {
            throw Self.invalid("it must begin with http:// or https://")
        }
        let rest = address.dropFirst(scheme.utf8.count)
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@") else {
            throw Self.invalid("it must not contain credentials; the token is set apart from it")
        }
        guard rest.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !rest.contains(where: { "?#\\\"<>".contains($0) })
        else { throw Self.invalid("it must be a scheme, a host and a port, such as http://127.0.0.1:8000") }
        guard Self.isAuthority(authority) else { throw Self.invalid("its host or port is missing or wrong") }
        self.text = scheme + rest
    }

    private static func invalid(_ reason: String) -> ClientError {
        ClientError(.callInvalid, "the server's address is not usable: \(reason)")
    }

    private static func isAuthority(_ authority: Substring) -> Bool {
        let afterHost: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]"), authority.distance(from: authority.startIndex, to: end) > 1
            else { return false }
            afterHost = authority[authority.index(after: end)...]
        } else {
            let colon = authority.firstIndex(of: ":") ?? authority.endIndex
            guard colon > authority.startIndex else { return false }
            afterHost = authority[colon...]
        }
        if afterHost.isEmpty { return true }
        let digits = afterHost.dropFirst()
        guard afterHost.hasPrefix(":"), digits.first?.isNumber == true, let port = UInt16(digits) else { return false }
        return port > 0
    }

    /// The address of a path with its query.
    package func appending(path: String, query: [(name: String, value: String)]) -> String {
        guard !query.isEmpty else { return text + path }
        let pairs = query.map { "\(Self.escaped($0.name))=\(Self.escaped($0.value))" }
        return "\(text)\(path)?\(pairs.joined(separator: "&"))"
    }

    /// Everything but the unreserved characters of RFC 3986 percent-encoded: safe as one path component or query value.
    package static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                bytes.append(contentsOf: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
