// SPDX-License-Identifier: Apache-2.0

/// Where a PostgreSQL server is and how it is talked to.
package struct PostgresConfiguration: Hashable, Sendable {
    /// A host name or address, or the directory of a Unix socket.
    package var host = "localhost"
    package var port = 5432
    package var user = "postgres"
    /// A credential: never shown.
    package var password: String?
    package var database = "postgres"
    package var sslMode: String?
    package var sslRootCertificate: String?
    /// Whether PgBouncer in transaction mode stands between: nothing of a session may outlive its transaction.
    package var isPooled = false
    package var applicationName = "stint"

    package var connectTimeoutMilliseconds = 3000
    /// The server ends a statement that runs longer.
    package var statementTimeoutMilliseconds = 5000
    /// The server ends a statement that waits longer for a lock.
    package var lockTimeoutMilliseconds = 2000
    /// The server ends a transaction whose client says nothing for longer: a frozen client holds no locks for ever.
    package var idleInTransactionMilliseconds = 3000
    /// More settings of every session, such as those of the planner.
    package var settings: [String: String] = [:]

    package init() {}
}

extension PostgresConfiguration {
    /// All settings of a session, as they are sent.
    var sessionSettings: [(name: String, value: String)] {
        var all = settings
        all["statement_timeout"] = String(statementTimeoutMilliseconds)
        all["lock_timeout"] = String(lockTimeoutMilliseconds)
        all["idle_in_transaction_session_timeout"] = String(idleInTransactionMilliseconds)
        return all.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    }

    /// What is handed to libpq, by its own words.
    var connectionWords: [(keyword: String, value: String)] {
        var words = [
            ("host", host), ("port", String(port)), ("user", user), ("dbname", database),
            ("application_name", applicationName), ("client_encoding", "UTF8"),
            ("connect_timeout", String(max(2, connectTimeoutMilliseconds / 1000))),
            ("keepalives", "1"), ("keepalives_idle", "5"), ("keepalives_interval", "2"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
        ]
        if let password { words.append(("password", password)) }
        if let sslMode { words.append(("sslmode", sslMode)) }
        if let sslRootCertificate { words.append(("sslrootcert", sslRootCertificate)) }
        // PgBouncer refuses start-up options; there the settings go with each transaction.
        if !isPooled {
            let options = sessionSettings.map { "-c \($0.name)=\($0.value)" }.joined(separator: " ")
            words.append(("options", options))
        }
        return words.map { (keyword: $0.0, value: $0.1) }
    }

    /// What can be told of it: never the password.
    package var displayName: String {
        let place = host.contains(":") ? "[\(host)]" : host
        return "\(user)@\(place):\(port)/\(database)"
    }
}
