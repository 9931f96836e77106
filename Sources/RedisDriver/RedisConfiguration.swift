// SPDX-License-Identifier: Apache-2.0

/// Where Redis is, who we are there, and how long we wait for it.
package struct RedisConfiguration: Hashable, Sendable {
    package var host: String
    package var port: Int
    /// Nil: the default user.
    package var username: String?
    /// A secret.
    package var password: String?
    package var database: Int
    /// How long connecting may take.
    package var connectTimeout: Duration = .seconds(1)
    /// How long the server may stay silent while an answer is due.
    package var commandTimeout: Duration = .seconds(2)
    /// How long the connection may be idle before it is tried out.
    package var idleCheck: Duration = .seconds(1)
    /// The first pause before connecting again; it doubles up to ``reconnectPauseMax``, and half of each is random.
    package var reconnectPause: Duration = .milliseconds(50)
    package var reconnectPauseMax: Duration = .seconds(2)
    /// Commands that may wait for their round trip; more are refused.
    package var waitingCommandsMax = 50_000
    /// Bytes that may wait for their round trip; more are refused.
    package var waitingBytesMax = 64 << 20

    package init(
        host: String = "127.0.0.1",
        port: Int = 6379,
        username: String? = nil,
        password: String? = nil,
        database: Int = 0
    ) {
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        self.database = database
    }

    /// `host:port/database`, for logs: never the user or the password.
    package var address: String {
        "\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
    }
}

extension RedisConfiguration {
    /// Reads `redis://[user:password@]host[:port][/database]`.
    ///
    /// User and password are percent-encoded; an IPv6 address stands in brackets.
    ///
    /// - Throws: ``RedisError`` with the code `invalidURL`, which never quotes the address.
    package init(url: String) throws(RedisError) {
        let scheme = "redis://"
        if url.hasPrefix("rediss://") {
            throw Self.invalid("rediss:// (TLS) is not supported; put a TLS proxy beside Stint, or use redis://")
        }
        guard url.hasPrefix(scheme) else { throw Self.invalid("it must begin with redis://") }
        let rest = url.dropFirst(scheme.count)
        guard !rest.contains("?"), !rest.contains("#") else {
            throw Self.invalid("it takes no ? and no #; write them as %3F and %23 in a password")
        }
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count).dropFirst()
        var place = authority
        var credentials: Substring?
        if let at = authority.lastIndex(of: "@") {
            credentials = authority[..<at]
            place = authority[authority.index(after: at)...]
        }
        let (host, port) = try Self.place(place)
        self.init(host: host, port: port, database: try Self.database(path))
        if let credentials { try read(credentials: credentials) }
    }

    private static func invalid(_ reason: String) -> RedisError {
        RedisError(.invalidURL, "the Redis address is malformed: \(reason)")
    }

    private static func place(_ text: Substring) throws(RedisError) -> (String, Int) {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw invalid("the bracket of an IPv6 address is not closed")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw invalid("after ] comes :port or nothing") }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
            guard !host.contains(":") else { throw invalid("an IPv6 address stands in brackets") }
        }
        guard !host.isEmpty else { throw invalid("the host is missing") }
        guard let port else { return (String(host), 6379) }
        guard let number = UInt16(port), number > 0 else { throw invalid("the port must be 1 to 65535") }
        return (String(host), Int(number))
    }

    private static func database(_ path: Substring) throws(RedisError) -> Int {
        guard !path.isEmpty else { return 0 }
        guard let number = UInt16(path) else { throw invalid("after the / comes the number of a database") }
        return Int(number)
    }

    private mutating func read(credentials: Substring) throws(RedisError) {
        guard let colon = credentials.firstIndex(of: ":") else {
            throw Self.invalid("before the @ comes user:password or :password")
        }
        let user = try Self.decoded(credentials[..<colon])
        username = user.isEmpty ? nil : user
        password = try Self.decoded(credentials[credentials.index(after: colon)...])
    }

    private static func decoded(_ text: Substring) throws(RedisError) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16), !digits.hasPrefix("+") else {
                throw invalid("a % in the user or password must be followed by two hexadecimal digits")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw invalid("the user or password is not UTF-8")
        }
        return decoded
    }
}
