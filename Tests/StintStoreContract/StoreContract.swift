// SPDX-License-Identifier: Apache-2.0

package import StintModel
package import StintStorage

/// What every `JobStore` must do, as a list of cases: a record is done when all of them pass.
package enum StoreContract {
    package static let cases: [Case] = [
        submitting, submittingTimes, idempotency, leasing, leaseRefusals, reporting, repeatedReports, endings,
        cancelling, cancelFlag, retrying, sessions, renewing, seating, sessionNotices, sweeping, timeOuts, expiry,
        scheduling, pausing,
        queues,
        listing, listFilters, deadLetterGroups, redriving, purging, deleting, pruning, batches, refillReads, clock,
    ].flatMap { $0 }

    /// One fact about a record.
    package struct Case: Sendable, CustomStringConvertible {
        package let name: String
        package let check: @Sendable (StoreHarness) async throws -> Void

        init(_ name: String, check: @escaping @Sendable (StoreHarness) async throws -> Void) {
            self.name = name
            self.check = check
        }

        package var description: String { name }
    }

    /// Opens a fresh, empty record with these rules and this clock.
    package typealias Opening =
        @Sendable (_ rules: @escaping EndingRules, _ now: @escaping @Sendable () -> Timestamp) async throws ->
        any JobStore
}

extension StoreContract.Case {
    /// Checks the case against a record of its own, and closes it.
    package func run(_ open: StoreContract.Opening) async throws {
        let clock = ManualClock()
        let rulings = RulingLog()
        let store = try await open(rulings.rules) { clock.now }
        let harness = StoreHarness(store: store, clock: clock, rulings: rulings)
        do {
            try await check(harness)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}
