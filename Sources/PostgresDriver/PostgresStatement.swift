// SPDX-License-Identifier: Apache-2.0

/// One statement with its arguments.
package struct PostgresStatement: Sendable {
    /// What it means for the transaction round it.
    package enum Role: Hashable, Sendable {
        case ordinary
        case begin
        case commit
        case rollback
    }

    package var sql: String
    package var parameters: PostgresParameters
    package var role: Role
    /// Whether the server keeps its plan for the next time; not for what is sent once.
    package var isKept: Bool

    package init(_ sql: String, role: Role = .ordinary, isKept: Bool = true) {
        self.sql = sql
        self.role = role
        self.isKept = isKept
        parameters = PostgresParameters()
    }

    package init(_ sql: String, isKept: Bool = true, _ fill: (inout PostgresParameters) -> Void) {
        self.init(sql, isKept: isKept)
        fill(&parameters)
    }

    package static let begin = PostgresStatement("BEGIN", role: .begin)
    package static let commit = PostgresStatement("COMMIT", role: .commit)
    package static let rollback = PostgresStatement("ROLLBACK", role: .rollback, isKept: false)
}
