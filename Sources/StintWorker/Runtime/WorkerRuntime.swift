// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import StintClient
import StintModel
import StintWire
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Drives a ``WorkerMachine``: makes the calls it asks for, starts and cancels handlers, tells it what happens.
///
/// All calls are made on a thread that no handler uses; handlers run on the threads that Swift's tasks share. One loop, on that
/// thread, carries out what the machine wants: what happens elsewhere only changes the machine and wakes the loop.
final class WorkerRuntime: Sendable {
    private struct Shared: Sendable {
        var machine: WorkerMachine
        /// To be cancelled where need be.
        ///
        /// Handlers that end at once are never in it.
        var handlers: [WireLease: RunningHandler] = [:]
    }

    private struct RunningHandler: Sendable {
        var task: Task<Void, Never>
        var context: JobContext
    }

    private let shared: Mutex<Shared>
    private let signal = WakeSignal()
    private let table: HandlerTable
    private let logger: Logger
    private let makeLink: @Sendable (any EventLoopGroup) -> any WorkerLink
    private let registration: RegisterRequest

    /// - Parameter link: Takes the place of HTTP.
    init(
        _ configuration: WorkerConfiguration,
        _ table: HandlerTable,
        _ logger: Logger,
        link: (any WorkerLink)? = nil
    ) throws(WorkerError) {
        let addresses = try Self.addresses(configuration)
        let registration = try Self.registration(configuration, table)
        makeLink = { group in
            link ?? CoordinatorLink(addresses, token: configuration.token, registration: registration, on: group)
        }
        self.registration = registration
        self.table = table
        self.logger = logger
        var settings = WorkerMachineSettings()
        settings.concurrency = configuration.concurrency
        settings.drainTimeout = configuration.drainTimeout.nanoseconds
        settings.cancelGrace = configuration.cancelGrace.nanoseconds
        settings.seed = UInt64.random(in: .min ... .max)
        shared = Mutex(Shared(machine: WorkerMachine(settings)))
    }

    private static func now() -> Int64 {
        Int64(NIODeadline.now().uptimeNanoseconds)
    }

    // MARK: Running

    /// The thread of all that the workers of this process say to coordinators.
    ///
    /// It stays when they have gone: connections that close may have something to do on it yet.
    private static let thread = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    func run() async throws(WorkerError) {
        let loop = Self.thread.next()
        let link = makeLink(Self.thread)
        let end = await withTaskExecutorPreference(LoopExecutor(loop)) {
            await withTaskCancellationHandler {
                await withDiscardingTaskGroup { calls in
                    let end = await self.conduct(link, loop, &calls)
                    calls.cancelAll()
                    return end
                }
            } onCancel: {
                signal.raise()
            }
        }
        cancelEverything()
        await link.shutdown()
        try conclude(end)
    }

    /// The loop.
    ///
    /// Nil when the task was cancelled.
    private func conduct(
        _ link: any WorkerLink,
        _ loop: any EventLoop,
        _ calls: inout DiscardingTaskGroup
    ) async -> WorkerEnd? {
        var timer = WakeTimer(loop, signal)
        while !Task.isCancelled {
            let turn = shared.withLock { $0.machine.next(now: Self.now()) }
            for action in turn.actions {
                switch action {
                case .call(let id, let call): calls.addTask { await self.make(call, id, link) }
                case .start(let jobs): start(jobs)
                case .cancel(let leases, let reason): cancel(leases, reason)
                case .note(let note): log(note)
                case .end(let end): return end
                }
            }
            timer.arm(turn.wakeAt, now: Self.now())
            await signal.wait()
        }
        return nil
    }

    private func make(_ call: WorkerCall, _ id: CallID, _ link: any WorkerLink) async {
        do throws(CallFailure) {
            let answer = try await link.perform(call)
            shared.withLock { $0.machine.answered(id, answer, now: Self.now()) }
        } catch {
            shared.withLock { $0.machine.failed(id, error, now: Self.now()) }
        }
        signal.raise()
    }

    private func conclude(_ end: WorkerEnd?) throws(WorkerError) {
        switch end {
        case .drained(let abandoned, let unreported):
            if abandoned > 0 {
                logger.warning(
                    "handlers that did not end when cancelled were left behind",
                    metadata: ["handlers": "\(abandoned)"]
                )
            }
            if unreported > 0 {
                logger.warning("no coordinator took the last results", metadata: ["results": "\(unreported)"])
            }
            logger.info("worker stopped")
        case .refused(let message):
            throw WorkerError(.registrationRefused, "the coordinator refused the registration: \(message)")
        case nil:
            logger.info("worker cancelled; its jobs run again when its lease has ended")
        }
    }

    // MARK: Handlers

    private func start(_ jobs: [GrantedJob]) {
        var started: [RunningHandler] = []
        started.reserveCapacity(jobs.count)
        for job in jobs {
            let context = JobContext(job, sink: self)
            // A handler that heeds nothing must not keep the worker from ending: that is why it is nobody's child.
            let task = Task.detached { [self] in
                let end = await table.run(context)
                ended(context.granted.lease, end)
            }
            started.append(RunningHandler(task: task, context: context))
        }
        shared.withLock { shared in
            for handler in started where shared.machine.isRunning(handler.context.granted.lease) {
                shared.handlers[handler.context.granted.lease] = handler
            }
        }
    }

    private func ended(_ lease: WireLease, _ end: HandlerEnd) {
        let isTurnDue = shared.withLock { shared in
            shared.handlers[lease] = nil
            return shared.machine.ended(lease, end, now: Self.now())
        }
        if isTurnDue { signal.raise() }
    }

    private func cancel(_ leases: [WireLease], _ reason: StopReason) {
        let handlers = shared.withLock { shared in leases.compactMap { shared.handlers[$0] } }
        for handler in handlers {
            logger.debug("handler cancelled", metadata: ["job": "\(handler.context.jobID)", "reason": "\(reason)"])
            handler.context.cancel()
            handler.task.cancel()
        }
    }

    private func cancelEverything() {
        let handlers = shared.withLock { Array($0.handlers.values) }
        for handler in handlers {
            handler.context.cancel()
            handler.task.cancel()
        }
    }

    // MARK: From outside

    func drain() {
        shared.withLock { $0.machine.drain(now: Self.now()) }
        signal.raise()
    }
}

extension WorkerRuntime: ProgressSink {
    func progressed(_ lease: WireLease, _ progress: JobProgress) {
        if shared.withLock({ $0.machine.progressed(lease, progress) }) { signal.raise() }
    }
}

// MARK: What is worth telling

extension WorkerRuntime {
    private func log(_ note: WorkerNote) {
        switch note {
        case .registered(let id):
            logger.info("registered", metadata: ["worker": "\(id)", "concurrency": "\(registration.concurrency)"])
        case .unreachable(let message):
            logger.warning("no coordinator answers as it should; trying on", metadata: ["reason": "\(message)"])
        case .reachableAgain:
            logger.info("coordinator reached again")
        case .sessionLost(let id, let running):
            logger.warning(
                "worker session lost; registering again",
                metadata: ["worker": "\(id)", "running": "\(running)"]
            )
        case .leaseRanOut(let running):
            logger.warning("leases not renewed in time; handlers stopped", metadata: ["running": "\(running)"])
        case .drainBegan(let byServer, let running):
            let by = byServer ? "the server" : "a signal"
            logger.info("draining", metadata: ["by": "\(by)", "running": "\(running)"])
        case .reportsLost(let leases):
            let shown = leases.prefix(5).map(\.description).joined(separator: " ")
            logger.warning("reports had no effect", metadata: ["count": "\(leases.count)", "leases": "\(shown)"])
        case .reportRefused(let lease, let message):
            logger.error("a report was refused", metadata: ["lease": "\(lease)", "reason": "\(message)"])
        case .goodbyeFailed(let message):
            logger.info("the goodbye was not heard; the session ends by itself", metadata: ["reason": "\(message)"])
        }
    }
}

// MARK: Configuration

extension WorkerRuntime {
    private static func addresses(_ configuration: WorkerConfiguration) throws(WorkerError) -> [ServerAddress] {
        guard !configuration.coordinatorURLs.isEmpty else {
            throw WorkerError(.configurationInvalid, "at least one coordinator's address is needed")
        }
        var addresses: [ServerAddress] = []
        for url in configuration.coordinatorURLs {
            do throws(ClientError) {
                addresses.append(try ServerAddress(url))
            } catch {
                // Without the address itself, which may hold credentials.
                throw WorkerError(.configurationInvalid, "coordinator: \(error.message)")
            }
        }
        return addresses
    }

    private static func registration(
        _ configuration: WorkerConfiguration,
        _ table: HandlerTable
    ) throws(WorkerError) -> RegisterRequest {
        let labels = JSONWriter.write { writer in
            writer.object { writer in
                for (name, value) in configuration.labels.sorted(by: { $0.key < $1.key }) {
                    writer.name(dynamic: name)
                    writer.string(value)
                }
            }
        }
        let request = RegisterRequest(
            name: configuration.name,
            capabilities: Capabilities(queues: configuration.queues, jobNames: table.names),
            concurrency: configuration.concurrency,
            host: WorkerConfiguration.hostName,
            pid: Int(getpid()),
            sdk: "stint-swift/\(StintVersion.current)",
            labels: configuration.labels.isEmpty ? [] : labels
        )
        do throws(JSONProblem) {
            // The server would find the same mistakes, but only later.
            return try RegisterRequest.read(request.encoded())
        } catch {
            throw WorkerError(.configurationInvalid, "\(error.pointer.dropFirst()): \(error.detail)")
        }
    }
}

extension Duration {
    /// Clamped to what fits, which is 292 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max / 4) : min(whole, .max / 4) + attoseconds / 1_000_000_000
    }
}
