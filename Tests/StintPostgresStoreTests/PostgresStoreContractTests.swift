// SPDX-License-Identifier: Apache-2.0

import Logging
import PostgresDriver
import StintPostgresStore
import StintStoreContract
import Testing

@Suite("The PostgreSQL store holds to the store contract")
struct PostgresStoreContractTests {
    @Test(arguments: StoreContract.cases)
    func contract(_ contractCase: StoreContract.Case) async throws {
        try await run(contractCase, isPooled: false)
    }

    @Test(arguments: StoreContract.cases)
    func contractBehindPgBouncer(_ contractCase: StoreContract.Case) async throws {
        try await run(contractCase, isPooled: true)
    }

    private func run(_ contractCase: StoreContract.Case, isPooled: Bool) async throws {
        try await SharedPostgres.withDatabase { database in
            let configuration = try SharedPostgres.configuration(database, isPooled: isPooled)
            try await contractCase.run { rules, now in
                try await PostgresJobStore(
                    configuration,
                    rules: rules,
                    clock: .manual(now),
                    logger: Logger(label: "test")
                )
            }
        }
    }
}
