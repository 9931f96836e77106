// SPDX-License-Identifier: Apache-2.0

package import Logging
package import StintModel

/// Time that only goes forward, for waiting; stored instants come from the record's clock.
package protocol TimeSource: Sendable {
    /// Monotonic nanoseconds from an arbitrary start.
    func now() -> Int64
    /// Returns at `deadline`, or throws `CancellationError`.
    func sleep(until deadline: Int64) async throws
}

/// The machine's monotonic clock.
package struct SystemTimeSource: TimeSource {
    private let start = ContinuousClock.now

    package init() {}

    package func now() -> Int64 {
        let passed = start.duration(to: .now).components
        return passed.seconds * 1_000_000_000 + passed.attoseconds / 1_000_000_000
    }

    package func sleep(until deadline: Int64) async throws {
        let wait = deadline - now()
        if wait > 0 { try await Task.sleep(for: .nanoseconds(wait), tolerance: .milliseconds(1)) }
    }
}

/// What every service is given from outside.
package struct ServiceEnvironment: Sendable {
    package var logger: Logger
    package var time: any TimeSource
    /// 64 uniform bits.
    package var random: @Sendable () -> UInt64

    package init(
        logger: Logger,
        time: any TimeSource = SystemTimeSource(),
        random: (@Sendable () -> UInt64)? = nil
    ) {
        self.logger = logger
        self.time = time
        let bits = RandomBits()
        self.random = random ?? { bits.next() }
    }
}

/// The numbers that govern a coordinator.
///
/// See docs/configuration.md.
package struct CoordinatorSettings: Hashable, Sendable {
    package var lease: Milliseconds = Milliseconds(30_000)
    package var heartbeat: Milliseconds = Milliseconds(10_000)
    package var sweep: Milliseconds = Milliseconds(1_000)
    package var fallbackPoll: Milliseconds = Milliseconds(2_000)
    package var reconcile: Milliseconds = Milliseconds(10_000)
    package var idempotencyRetention: Milliseconds = Milliseconds(86_400_000)
    package var retention: Milliseconds = Milliseconds(604_800_000)
    /// How long a poll waits when it does not say.
    package var pollWait: Milliseconds = Milliseconds(20_000)
    /// Commands waiting for the record, in jobs: submits beyond it are answered 503.
    package var pendingSubmitsMax = 100_000
    /// Reserved for reports, renewals and leases.
    package var pendingReportsMax = 100_000

    package init() {}
}
