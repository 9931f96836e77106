// SPDX-License-Identifier: Apache-2.0

import Foundation
import StintSQLiteStore
import StintStoreContract
import Testing

@Suite("The SQLite store holds to the store contract")
struct SQLiteStoreContractTests {
    @Test(arguments: StoreContract.cases)
    func contract(_ contractCase: StoreContract.Case) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "stint-contract-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try await contractCase.run { rules, now in
            try await SQLiteJobStore(configuration: .init(directory: directory.path()), rules: rules, now: now)
        }
    }
}
