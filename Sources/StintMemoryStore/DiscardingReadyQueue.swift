// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintStorage

/// The belt of a process that serves no workers and shares none: what becomes available stays in the record, where coordinators
/// find it.
package struct DiscardingReadyQueue: ReadyQueue {
    package init() {}

    package func put(_ jobs: [ReadyJob]) async throws(StorageError) {}
    package func take(_ demand: LaneDemand, limit: Int) async throws(StorageError) -> [ReadyJob] { [] }
    package func refillRequests() async throws(StorageError) -> [RefillRequest] { [] }
    package func refill(_ refill: Refill) async throws(StorageError) {}
    package func reset(_ lanes: [Lane]) async throws(StorageError) {}
    package func missing(among lanes: [Lane]) async throws(StorageError) -> [Lane] { [] }
    package func absent(among jobs: [ReadyJob]) async throws(StorageError) -> [ReadyJob] { [] }
    package func depth() async throws(StorageError) -> Int { 0 }
}
