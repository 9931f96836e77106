// SPDX-License-Identifier: Apache-2.0

import Dispatch
package import Logging
import Synchronization

/// A bounded number of connections, each with a thread of its own, opened when they are first needed.
///
/// Whoever finds none free waits in line, for a bounded time, in a line of bounded length. While the server is away callers fail
/// at once: only one attempt per pause is made to reach it, and the pauses grow.
package final class PostgresPool: Sendable {
    package struct Limits: Hashable, Sendable {
        package var connectionsMax = 4
        package var waitersMax = 1024
        /// How long a caller waits for a free connection.
        package var waitMilliseconds = 3000

        package init() {}
    }

    package let configuration: PostgresConfiguration
    private let limits: Limits
    private let logger: Logger
    private let state: Mutex<State>

    package init(_ configuration: PostgresConfiguration, limits: Limits = Limits(), logger: Logger) {
        self.configuration = configuration
        self.limits = limits
        self.logger = logger
        let seats = (0..<max(1, limits.connectionsMax)).map { PostgresSeat(number: $0) }
        state = Mutex(State(idle: seats, seatCount: seats.count))
    }

    /// Runs `body` on the thread of a free connection.
    ///
    /// A transaction that `body` leaves open is rolled back. Cancelling the calling task does not interrupt it.
    package func withConnection<Value: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        let seat = try await takeSeat().get()
        let result: Result<Value, PostgresError> = await withCheckedContinuation { continuation in
            seat.queue.async {
                let result = self.use(seat, body)
                self.leave(seat)
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }

    /// Lets those that have a connection finish, refuses all others and closes every connection.
    package func close() async {
        let (seats, waiters) = state.withLock { state in
            state.isClosed = true
            defer {
                state.idle = []
                state.waiters = []
            }
            state.seatCount -= state.idle.count
            return (state.idle, state.waiters)
        }
        for waiter in waiters { waiter.continuation.resume(returning: .failure(Self.closedError)) }
        for seat in seats { await seat.drop() }
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.seatCount > 0 { state.closers.append(continuation) }
                return state.seatCount == 0
            }
            if isEmpty { continuation.resume() }
        }
    }

    private static let closedError = PostgresError(.closed, "the connections are closed")

    // MARK: On the connection's thread

    private func use<Value>(
        _ seat: PostgresSeat,
        _ body: (PostgresConnection) throws(PostgresError) -> Value
    ) -> Result<Value, PostgresError> {
        do throws(PostgresError) {
            let connection = try open(seat)
            defer { connection.rollBack() }
            return .success(try body(connection))
        } catch {
            return .failure(error)
        }
    }

    /// The seat's connection, made anew where there is none that works.
    private func open(_ seat: PostgresSeat) throws(PostgresError) -> PostgresConnection {
        if let connection = seat.connection, connection.isHealthy() { return connection }
        seat.connection = nil
        if let error = state.withLock({ $0.refusal(at: MonotonicClock.nanoseconds()) }) { throw error }
        do throws(PostgresError) {
            let connection = try PostgresConnection.open(configuration)
            seat.connection = connection
            let wasAway = state.withLock { state in
                defer { state.outage = nil }
                return state.outage != nil
            }
            if wasAway { logger.notice("PostgreSQL is reachable again") }
            return connection
        } catch {
            noteOutage(error)
            throw error
        }
    }

    /// One line when an outage begins.
    private func noteOutage(_ error: PostgresError) {
        let isFirst = state.withLock { state in
            let count = (state.outage?.attempts ?? 0) + 1
            let pause = min(2000, 50 << min(count, 6))
            let jittered = Int.random(in: pause / 2...pause)
            defer {
                state.outage = Outage(
                    error: error,
                    attempts: count,
                    until: MonotonicClock.deadline(afterMilliseconds: jittered)
                )
            }
            return state.outage == nil
        }
        if isFirst { logger.error("PostgreSQL is not reachable", metadata: ["error": "\(error.message)"]) }
    }

    // MARK: Seats

    private func takeSeat() async -> Result<PostgresSeat, PostgresError> {
        await withCheckedContinuation { continuation in
            let decision = state.withLock { $0.takeSeat(continuation, waitersMax: limits.waitersMax) }
            switch decision {
            case .seat(let seat): continuation.resume(returning: .success(seat))
            case .refused(let error): continuation.resume(returning: .failure(error))
            case .waits(let number): expire(number)
            }
        }
    }

    /// Ends a caller's wait when its time is over.
    private func expire(_ number: UInt64) {
        let deadline = DispatchTime.now() + .milliseconds(limits.waitMilliseconds)
        DispatchQueue.global().asyncAfter(deadline: deadline) {
            let waiter = self.state.withLock { state in
                state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0) }
            }
            let error = PostgresError(.timedOut, "no database connection became free in time")
            waiter?.continuation.resume(returning: .failure(error))
        }
    }

    private func leave(_ seat: PostgresSeat) {
        if seat.connection?.isBroken == true { seat.connection = nil }
        let (waiter, closers) = state.withLock { $0.leave(seat) }
        waiter?.continuation.resume(returning: .success(seat))
        guard !closers.isEmpty || state.withLock({ $0.isClosed }) else { return }
        seat.connection = nil
        for closer in closers { closer.resume() }
    }
}

extension PostgresPool {
    fileprivate struct Waiter {
        var number: UInt64
        var continuation: CheckedContinuation<Result<PostgresSeat, PostgresError>, Never>
    }

    fileprivate struct Outage {
        var error: PostgresError
        var attempts: Int
        /// Until then nobody tries again.
        var until: Int64
    }

    fileprivate enum Decision {
        case seat(PostgresSeat)
        case refused(PostgresError)
        case waits(UInt64)
    }

    fileprivate struct State {
        var idle: [PostgresSeat]
        /// Those that are not given up for good.
        var seatCount: Int
        var waiters: [Waiter] = []
        var nextNumber: UInt64 = 0
        var outage: Outage?
        var isClosed = false
        var closers: [CheckedContinuation<Void, Never>] = []

        mutating func takeSeat(
            _ continuation: CheckedContinuation<Result<PostgresSeat, PostgresError>, Never>,
            waitersMax: Int
        ) -> Decision {
            guard !isClosed else { return .refused(PostgresPool.closedError) }
            // The seat left last is the likeliest to have a connection.
            if let seat = idle.popLast() { return .seat(seat) }
            guard waiters.count < waitersMax else {
                return .refused(PostgresError(.timedOut, "too many callers wait for a database connection"))
            }
            nextNumber += 1
            waiters.append(Waiter(number: nextNumber, continuation: continuation))
            return .waits(nextNumber)
        }

        mutating func leave(_ seat: PostgresSeat) -> (Waiter?, [CheckedContinuation<Void, Never>]) {
            guard !isClosed else {
                seatCount -= 1
                guard seatCount == 0 else { return (nil, []) }
                defer { closers = [] }
                return (nil, closers)
            }
            guard !waiters.isEmpty else {
                idle.append(seat)
                return (nil, [])
            }
            return (waiters.removeFirst(), [])
        }

        func refusal(at now: Int64) -> PostgresError? {
            guard let outage, now < outage.until else { return nil }
            return outage.error
        }
    }
}

/// A place for one connection, with the thread that alone uses it.
///
/// SAFETY: `connection` is touched only in blocks on `queue`, which is serial.
final class PostgresSeat: @unchecked Sendable {
    let queue: DispatchQueue
    var connection: PostgresConnection?

    init(number: Int) {
        queue = DispatchQueue(label: "stint.postgres.\(number)")
    }

    func drop() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.connection = nil
                continuation.resume()
            }
        }
    }
}
