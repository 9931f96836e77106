// SPDX-License-Identifier: Apache-2.0

public import Logging
public import ServiceLifecycle
import StintWire
import Synchronization

/// Runs jobs: registers with a coordinator, asks for work, runs handlers, reports.
///
/// ```swift
/// let worker = StintWorker(configuration: WorkerConfiguration(queues: ["images"], concurrency: 8))
/// worker.handle("resize_image") { (job: Job<ResizeImage>, context) async throws -> Thumbnail in
///     context.progress(percent: 10)
///     return try await resize(job.payload)
/// }
/// try await worker.run()
/// ```
///
/// It is a `Service`: in a `ServiceGroup`, graceful shutdown drains it. All that it says to the coordinator goes from a thread of
/// its own, so that handlers that burn the CPU cannot keep it from renewing its leases. It reconnects for ever.
public final class StintWorker: Service {
    private enum State: Sendable {
        case new(HandlerTable)
        case draining
        case running(WorkerRuntime)
        case ended
    }

    private let configuration: WorkerConfiguration
    private let logger: Logger
    private let link: (any WorkerLink)?
    private let state = Mutex(State.new(HandlerTable()))

    /// Creates a worker without handlers; nothing is started.
    public init(
        configuration: WorkerConfiguration = WorkerConfiguration(),
        logger: Logger = Logger(label: "stint.worker")
    ) {
        self.configuration = configuration
        self.logger = logger
        link = nil
    }

    /// Creates a worker whose calls go elsewhere than over HTTP.
    init(configuration: WorkerConfiguration, logger: Logger, link: any WorkerLink) {
        self.configuration = configuration
        self.logger = logger
        self.link = link
    }

    /// Adds a handler that takes the payload as the bytes that were submitted and gives the result as the bytes of one
    /// JSON value, or nil for none.
    ///
    /// - Parameters:
    ///   - name: The jobs it is for; `*` for all that have no handler of their own.
    ///   - handler: Runs one attempt.
    public func handleRaw(
        _ name: String,
        _ handler: @escaping @Sendable (RawJob, JobContext) async throws -> [UInt8]?
    ) {
        add(name) { context in
            let result = try await handler(RawJob(context.granted, payload: context.granted.payload), context)
            return try result.map(HandlerTable.checkedResult)
        }
    }

    func add(_ name: String, _ handler: @escaping HandlerTable.Handler) {
        state.withLock { state in
            guard case .new(var table) = state else {
                preconditionFailure("handlers are added before the worker runs: names are told at registration")
            }
            table.handlers[name] = handler
            state = .new(table)
        }
    }

    /// Runs until told to stop, by graceful shutdown, by ``drain()`` or by the server's order, and then until everything has ended or was
    /// given back.
    ///
    /// Cancelling the task ends it at once, without a word to the coordinator: its jobs run again when its lease has ended.
    ///
    /// - Throws: ``WorkerError`` where the configuration cannot be used or the first registration is refused for good.
    public func run() async throws {
        guard let runtime = try makeRuntime() else { return }
        defer { state.withLock { $0 = .ended } }
        try await withGracefulShutdownHandler {
            try await runtime.run()
        } onGracefulShutdown: {
            runtime.drain()
        }
    }

    /// Takes no more jobs, lets running ones end within the drain time, gives back the others; then ``run()`` returns.
    public func drain() {
        let runtime = state.withLock { state -> WorkerRuntime? in
            if case .running(let runtime) = state { return runtime }
            if case .new = state { state = .draining }
            return nil
        }
        runtime?.drain()
    }

    /// Nil when it was told to stop before it ran.
    private func makeRuntime() throws -> WorkerRuntime? {
        try state.withLock { state in
            switch state {
            case .new(let table):
                let runtime = try WorkerRuntime(configuration, table, logger, link: link)
                state = .running(runtime)
                return runtime
            case .draining:
                state = .ended
                return nil
            case .running, .ended: throw WorkerError(.alreadyRun, "a worker runs only once")
            }
        }
    }
}
