// SPDX-License-Identifier: Apache-2.0

import StintMemoryStore
import StintQueueContract
import Testing

@Suite("The belt in process holds to the belt's contract")
struct MemoryReadyQueueContractTests {
    @Test(arguments: ReadyQueueContract.cases)
    func contract(_ contractCase: ReadyQueueContract.Case) async throws {
        try await contractCase.run { window in MemoryReadyQueue(window: window) }
    }
}
