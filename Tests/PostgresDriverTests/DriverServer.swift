// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import StintTestServers
import Testing

/// The server of the tests that leave it as it is.
enum DriverServer {
    static let shared = Result { try PrivatePostgres() }

    static func configuration(port: Int? = nil) throws -> PostgresConfiguration {
        try PostgresConfiguration(url: shared.get().url(port: port))
    }

    static func connection(_ edit: (inout PostgresConfiguration) -> Void = { _ in }) throws -> PostgresConnection {
        var configuration = try configuration()
        edit(&configuration)
        return try PostgresConnection.open(configuration)
    }

    static func pool(
        _ configuration: PostgresConfiguration,
        connections: Int = 2,
        waitMilliseconds: Int = 3000,
        waiters: Int = 8
    ) -> PostgresPool {
        var limits = PostgresPool.Limits()
        limits.connectionsMax = connections
        limits.waitMilliseconds = waitMilliseconds
        limits.waitersMax = waiters
        return PostgresPool(configuration, limits: limits, logger: Logger(label: "test"))
    }
}

/// The error that the body must throw.
func postgresError(_ body: () throws -> Void) throws -> PostgresError {
    do {
        try body()
    } catch let error as PostgresError {
        return error
    }
    throw NoError()
}

func awaitedError(_ body: () async throws -> Void) async throws -> PostgresError {
    do {
        try await body()
    } catch let error as PostgresError {
        return error
    }
    throw NoError()
}

struct NoError: Error, CustomStringConvertible {
    let description = "an error was expected"
}

/// Asks for one value.
func ask(_ pool: PostgresPool, _ sql: String) async throws -> String {
    try await pool.withConnection { connection throws(PostgresError) in
        try connection.run(PostgresStatement(sql, isKept: false)).first?.text(0) ?? ""
    }
}
