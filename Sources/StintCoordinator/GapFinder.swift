// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// Finds lanes of which a shared belt holds some jobs and has lost others: taken by a process that died before it leased them, or
/// never put by one that died after its commit.
///
/// A lost job stays available while everything around it is served, so it comes to the head of its lane in the record. That is
/// where to look, whatever the length of the lane. A job that is just being leased looks the same for a moment, so only one that
/// is absent twice counts.
struct GapFinder {
    /// How many jobs at the head of each lane are looked at.
    static let headLength = 100

    private var suspects: Set<JobID> = []

    /// The lanes to reset.
    ///
    /// To be called once per reconciliation.
    mutating func look(
        in lanes: [Lane],
        of store: any JobStore,
        belt: any ReadyQueue
    ) async throws(StorageError) -> [Lane] {
        var absent: [ReadyJob] = []
        for lane in lanes {
            let head = try await store.readyJobs(lane: lane, after: nil, limit: Self.headLength)
            if !head.isEmpty { absent += try await belt.absent(among: head) }
        }
        return note(absent)
    }

    /// - Parameter absent: Jobs that should be on the belt and are not.
    mutating func note(_ absent: [ReadyJob]) -> [Lane] {
        let lost = Set(absent.filter { suspects.contains($0.id) }.map(\.lane))
        suspects = Set(absent.filter { !lost.contains($0.lane) }.map(\.id))
        return lost.sorted()
    }
}
