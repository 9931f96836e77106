// SPDX-License-Identifier: Apache-2.0

import StintCoordinator
import StintModel
import Testing

@testable import StintServer

@Suite struct ServerConfigurationTests {
    /// A setting, a value that is refused, and what the refusal says is allowed.
    struct Refusal: CustomTestStringConvertible {
        var name: String
        var value: String
        var allowed: String

        init(_ name: String, _ value: String, _ allowed: String) {
            self.name = name
            self.value = value
            self.allowed = allowed
        }

        var testDescription: String { "\(name)=\(value)" }
    }

    static let refusals: [Refusal] = [
        .init("STINT_API_PORT", "65536", "a whole number from 0 to 65535"),
        .init("STINT_API_PORT", "-1", "a whole number from 0 to 65535"),
        .init("STINT_API_PORT", "80.5", "a whole number from 0 to 65535"),
        .init("STINT_API_PORT", "http", "a whole number from 0 to 65535"),
        .init("STINT_COORDINATOR_PORT", "65536", "a whole number from 0 to 65535"),
        .init("STINT_CONNECTIONS_MAX", "15", "a whole number from 16 to 1000000"),
        .init("STINT_CONNECTIONS_MAX", "1000001", "a whole number from 16 to 1000000"),
        .init("STINT_LEASE_SECONDS", "2.9", "a number from 3 to 3600"),
        .init("STINT_LEASE_SECONDS", "3601", "a number from 3 to 3600"),
        .init("STINT_LEASE_SECONDS", "nan", "a number from 3 to 3600"),
        .init("STINT_LEASE_SECONDS", "1e400", "a number from 3 to 3600"),
        .init("STINT_LEASE_SECONDS", "30s", "a number from 3 to 3600"),
        .init("STINT_HEARTBEAT_SECONDS", "0.09", "a number from 0.1 to 1200"),
        .init("STINT_HEARTBEAT_SECONDS", "1201", "a number from 0.1 to 1200"),
        .init("STINT_SWEEP_SECONDS", "0.04", "a number from 0.05 to 60"),
        .init("STINT_SWEEP_SECONDS", "61", "a number from 0.05 to 60"),
        .init("STINT_FALLBACK_POLL_SECONDS", "0", "a number from 0.1 to 60"),
        .init("STINT_FALLBACK_POLL_SECONDS", "61", "a number from 0.1 to 60"),
        .init("STINT_RECONCILE_SECONDS", "0", "a number from 0.1 to 600"),
        .init("STINT_RECONCILE_SECONDS", "601", "a number from 0.1 to 600"),
        .init("STINT_DRAIN_SECONDS", "-1", "a number from 0 to 3600"),
        .init("STINT_DRAIN_SECONDS", "3601", "a number from 0 to 3600"),
        .init("STINT_IDEMPOTENCY_SECONDS", "0", "a number from 1 to 2592000"),
        .init("STINT_IDEMPOTENCY_SECONDS", "2592001", "a number from 1 to 2592000"),
        .init("STINT_RETENTION_SECONDS", "0", "a number from 1 to 315360000"),
        .init("STINT_RETENTION_SECONDS", "315360001", "a number from 1 to 315360000"),
        .init("STINT_ALLOW_INSECURE", "perhaps", "true or false"),
        .init("STINT_LOG_LEVEL", "loud", "one of trace, debug, info, notice, warning, error"),
        .init("STINT_LOG_FORMAT", "xml", "one of text, json"),
    ]

    @Test(arguments: refusals)
    func aValueOutOfRangeIsRefusedByNameValueAndWhatIsAllowed(_ refusal: Refusal) throws {
        let message = try Self.refusal(of: [refusal.name: refusal.value])
        #expect(message.contains(refusal.name))
        #expect(message.contains("'\(refusal.value)'"))
        #expect(message.contains(refusal.allowed))
        #expect(!message.contains("\n"))
    }

    @Test func theEndsOfARangeAreAllowed() throws {
        let least = try Self.read(["STINT_API_PORT": "0", "STINT_LEASE_SECONDS": "3", "STINT_DRAIN_SECONDS": "0"])
        #expect(least.apiPort == 0)
        #expect(least.coordinator.lease == .seconds(3))
        #expect(least.drain == .seconds(0))
        let most = try Self.read(["STINT_API_PORT": "65535", "STINT_LEASE_SECONDS": "3600"])
        #expect(most.apiPort == 65_535)
        #expect(most.coordinator.lease == .seconds(3600))
    }

    @Test func nothingSetGivesTheDocumentedDefaults() throws {
        let configuration = try Self.read([:])
        #expect(configuration.dataDirectory == "./stint-data")
        #expect(configuration.apiHost == "127.0.0.1")
        #expect(configuration.apiPort == 8000)
        #expect(configuration.coordinatorPort == 9000)
        #expect(configuration.coordinator.lease == .seconds(30))
        #expect(configuration.coordinator.heartbeat == .seconds(10))
        #expect(configuration.coordinator.sweep == .seconds(1))
        #expect(configuration.coordinator.idempotencyRetention == .seconds(86_400))
        #expect(configuration.coordinator.retention == .seconds(604_800))
        #expect(configuration.drain == .seconds(25))
        #expect(configuration.connectionsMax == 4096)
        #expect(configuration.token == nil)
        #expect(configuration.logLevel == .info)
        #expect(configuration.logFormat == .text)
    }

    @Test func timesMayBeFractionsOfASecond() throws {
        #expect(try Self.read(["STINT_SWEEP_SECONDS": "0.25"]).coordinator.sweep == Milliseconds(250))
    }

    // MARK: Heartbeats

    @Test func aShortLeaseBringsItsHeartbeatWithIt() throws {
        let configuration = try Self.read(["STINT_LEASE_SECONDS": "6"])
        #expect(configuration.coordinator.heartbeat == .seconds(2))
    }

    @Test func aHeartbeatMayTakeAThirdOfTheLease() throws {
        let settings = ["STINT_LEASE_SECONDS": "9", "STINT_HEARTBEAT_SECONDS": "3"]
        #expect(try Self.read(settings).coordinator.heartbeat == .seconds(3))
    }

    @Test func aHeartbeatOverAThirdOfTheLeaseIsRefusedNamingBoth() throws {
        let message = try Self.refusal(of: ["STINT_LEASE_SECONDS": "9", "STINT_HEARTBEAT_SECONDS": "3.5"])
        #expect(message.contains("STINT_HEARTBEAT_SECONDS is '3.5'"))
        #expect(message.contains("at most a third of STINT_LEASE_SECONDS, which is 9"))
    }

    // MARK: Exposure

    @Test(arguments: ["STINT_API_HOST", "STINT_COORDINATOR_HOST"], ["0.0.0.0", "::", "192.168.1.7", "127.0.0.evil"])
    func listeningBeyondLoopbackNeedsAToken(_ name: String, _ host: String) throws {
        let message = try Self.refusal(of: [name: host])
        #expect(message.contains("\(name) is '\(host)'"))
        #expect(message.contains("STINT_TOKEN"))
        #expect(try Self.read([name: host, "STINT_TOKEN": "secret"]).token == "secret")
        #expect(try Self.read([name: host, "STINT_ALLOW_INSECURE": "yes"]).allowsInsecure)
    }

    @Test(arguments: ["127.0.0.1", "127.8.9.10", "localhost", "::1"])
    func loopbackNeedsNoToken(_ host: String) throws {
        let configuration = try Self.read(["STINT_API_HOST": host, "STINT_COORDINATOR_HOST": host])
        #expect(configuration.apiHost == host)
    }

    @Test func noRefusalTellsTheToken() throws {
        let message = try Self.refusal(of: ["STINT_TOKEN": "hunter2", "STINT_API_PORT": "http"])
        #expect(!message.contains("hunter2"))
    }

    // MARK: The distributed mode

    @Test func aBeltWithoutASharedRecordIsRefused() throws {
        let message = try Self.refusal(of: ["STINT_REDIS_URL": "redis://:hunter2@r:6379/0"])
        #expect(message.contains("STINT_DATABASE_URL is not"))
        #expect(!message.contains("hunter2"))
    }

    @Test func aRoleOfItsOwnNeedsASharedRecord() throws {
        let embedded = try Self.read([:])
        let error = #expect(throws: ConfigurationError.self) { try embedded.requireDatabase(for: "submitter") }
        #expect(try #require(error).description.contains("stint submitter needs a PostgreSQL database"))
        try Self.read(["STINT_DATABASE_URL": "postgres://h/stint"]).requireDatabase(for: "submitter")
    }

    // MARK: Support

    private static func read(_ environment: [String: String]) throws -> ServerConfiguration {
        try ServerConfiguration(SettingSource(environment: environment))
    }

    private static func refusal(of environment: [String: String]) throws -> String {
        let error = #expect(throws: ConfigurationError.self) { _ = try read(environment) }
        return try #require(error).description
    }
}
