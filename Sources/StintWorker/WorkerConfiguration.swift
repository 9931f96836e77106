// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What a worker needs to know.
public struct WorkerConfiguration: Sendable {
    /// The coordinators' addresses, tried in turn.
    public var coordinatorURLs: [String]
    /// The bearer token to show; nil where the coordinators ask for none.
    public var token: String?
    /// What people call this worker; the host's name unless set.
    public var name: String
    /// The queues it takes jobs from.
    public var queues: [String]
    /// How many jobs it runs at the same time, 1…10,000.
    public var concurrency: Int
    /// How long running handlers may go on once the worker was told to stop; then they are cancelled.
    public var drainTimeout: Duration
    /// How long cancelled handlers get to end; then their jobs are given back over their heads.
    public var cancelGrace: Duration
    /// Shown with the worker, at most 64.
    public var labels: [String: String]

    /// Creates a configuration; the defaults fit a coordinator on this machine.
    public init(
        coordinatorURLs: [String] = ["http://127.0.0.1:9000"],
        token: String? = nil,
        name: String? = nil,
        queues: [String] = ["default"],
        concurrency: Int = 10,
        drainTimeout: Duration = .seconds(25),
        labels: [String: String] = [:]
    ) {
        self.coordinatorURLs = coordinatorURLs
        self.token = token
        self.name = name ?? Self.hostName
        self.queues = queues
        self.concurrency = concurrency
        self.drainTimeout = drainTimeout
        cancelGrace = .seconds(6)
        self.labels = labels
    }

    /// The name of this machine.
    static var hostName: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "worker" }
        let name = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return name.isEmpty ? "worker" : name
    }
}

/// Why a worker cannot run.
public struct WorkerError: Error, Sendable, CustomStringConvertible {
    /// What kind of mistake it is.
    ///
    /// More may be added: always have a default case.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The word for it.
        public let rawValue: String

        /// Creates a code from its word.
        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The configuration cannot be used.
        public static let configurationInvalid = Code(rawValue: "configuration_invalid")
        /// The coordinator refused the registration; trying again would not help.
        public static let registrationRefused = Code(rawValue: "registration_refused")
        /// It was run before: a worker runs once.
        public static let alreadyRun = Code(rawValue: "already_run")
    }

    /// What kind of mistake it is.
    public var code: Code
    /// One sentence; safe to show to anyone.
    public var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Safe to show to anyone.
    public var description: String { message }
}
