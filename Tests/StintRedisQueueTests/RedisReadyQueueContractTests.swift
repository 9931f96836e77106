// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import StintQueueContract
import StintRedisQueue
import Testing

@Suite("The belt in Redis holds to the belt's contract")
struct RedisReadyQueueContractTests {
    @Test(arguments: ReadyQueueContract.cases)
    func contract(_ contractCase: ReadyQueueContract.Case) async throws {
        let client = try await SharedRedis.client()
        try await contractCase.run { window in
            RedisReadyQueue(client: client, keys: SharedRedis.freshKeys(), window: window)
        }
        await client.close()
    }
}
