// SPDX-License-Identifier: Apache-2.0

import StintMemoryStore
import StintStoreContract
import Testing

@Suite("The memory store holds to the store contract")
struct MemoryStoreContractTests {
    @Test(arguments: StoreContract.cases)
    func contract(_ contractCase: StoreContract.Case) async throws {
        try await contractCase.run { rules, now in MemoryJobStore(rules: rules, now: now) }
    }
}
