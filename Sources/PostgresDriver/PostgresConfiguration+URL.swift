// SPDX-License-Identifier: Apache-2.0

extension PostgresConfiguration {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&pgbouncer=true`.
    ///
    /// Everything but the scheme may be missing; `?host=/directory` names a Unix socket. What is wrong is told without quoting the
    /// URL, since it may hold a password.
    package init(url: String) throws(PostgresError) {
        self.init()
        guard let scheme = ["postgres://", "postgresql://"].first(where: { url.hasPrefix($0) }) else {
            throw Self.problem("a database URL begins with postgres:// or postgresql://")
        }
        let rest = url.dropFirst(scheme.count)
        guard !rest.contains("#") else {
            throw Self.problem("a database URL has no fragment; write # in a password as %23")
        }
        let (beforeQuery, query) = Self.split(rest, at: "?")
        let (authority, path) = Self.split(beforeQuery, at: "/")
        try readAuthority(authority)
        if let path, !path.isEmpty { database = try Self.decoded(path, "database") }
        for pair in query?.split(separator: "&") ?? [] { try readOption(pair) }
    }

    private mutating func readAuthority(_ authority: Substring) throws(PostgresError) {
        var place = authority
        if let at = authority.lastIndex(of: "@") {
            let (name, secret) = Self.split(authority[..<at], at: ":")
            if !name.isEmpty { user = try Self.decoded(name, "user") }
            if let secret, !secret.isEmpty { password = try Self.decoded(secret, "password") }
            place = authority[authority.index(after: at)...]
        }
        if !authority.contains("@") || user != "postgres" { database = user }
        guard !place.isEmpty else { return }
        if place.hasPrefix("[") {
            guard let end = place.firstIndex(of: "]") else { throw Self.problem("the IPv6 address has no closing ]") }
            host = String(place[place.index(after: place.startIndex)..<end])
            try readPort(place[place.index(after: end)...])
        } else {
            let (name, port) = Self.split(place, at: ":")
            if !name.isEmpty { host = try Self.decoded(name, "host") }
            if let port { try readPort(":" + port) }
        }
    }

    private mutating func readPort(_ text: Substring) throws(PostgresError) {
        guard !text.isEmpty else { return }
        guard text.hasPrefix(":"), let number = Int(text.dropFirst()), (1...65_535).contains(number) else {
            throw Self.problem("the port of the database URL is not a number of 1 to 65535")
        }
        port = number
    }

    private mutating func readOption(_ pair: Substring) throws(PostgresError) {
        let (key, encoded) = Self.split(pair, at: "=")
        let value = try Self.decoded(encoded ?? "", "option")
        switch key {
        case "sslmode":
            let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
            guard modes.contains(value) else {
                throw Self.problem("sslmode is one of \(modes.joined(separator: ", "))")
            }
            sslMode = value
        case "sslrootcert": sslRootCertificate = value
        case "pgbouncer":
            guard value == "true" || value == "false" else { throw Self.problem("pgbouncer is true or false") }
            isPooled = value == "true"
        case "host": host = value
        case "port": try readPort(":" + value)
        case "application_name": applicationName = value
        case "user": user = value
        case "dbname": database = value
        default:
            throw Self.problem(
                "an option of the database URL is not known; known are sslmode, sslrootcert, pgbouncer, host, port, "
                    + "application_name, user, dbname"
            )
        }
    }

    private static func split(_ text: Substring, at mark: Character) -> (Substring, Substring?) {
        guard let index = text.firstIndex(of: mark) else { return (text, nil) }
        return (text[..<index], text[text.index(after: index)...])
    }

    private static func decoded(_ text: Substring, _ part: String) throws(PostgresError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                throw problem("a % in the \(part) of the database URL is not followed by two hexadecimal digits")
            }
            rest = rest.dropFirst(2)
            bytes.append(value)
        }
        guard !bytes.contains(0), let decoded = String(validating: bytes, as: UTF8.self) else {
            throw problem("the \(part) of the database URL is not UTF-8")
        }
        return decoded
    }

    private static func problem(_ text: String) -> PostgresError {
        PostgresError(.misconfigured, text)
    }
}
