// SPDX-License-Identifier: Apache-2.0

import RedisDriver
import Testing

@Suite("A Redis address")
struct RedisConfigurationTests {
    @Test func namesHostPortAndDatabase() throws {
        let configuration = try RedisConfiguration(url: "redis://cache.example:7000/3")
        #expect(configuration.host == "cache.example")
        #expect(configuration.port == 7000)
        #expect(configuration.database == 3)
        #expect(configuration.username == nil)
        #expect(configuration.password == nil)
        #expect(configuration.address == "cache.example:7000/3")
    }

    @Test(arguments: ["redis://localhost", "redis://localhost/", "redis://localhost:6379", "redis://localhost/0"])
    func hasDefaults(url: String) throws {
        #expect(try RedisConfiguration(url: url) == RedisConfiguration(host: "localhost"))
    }

    @Test func takesCredentialsPercentEncoded() throws {
        let configuration = try RedisConfiguration(url: "redis://us%40er:p%2Fa%3Ass%25:x@localhost:1/2")
        #expect(configuration.username == "us@er")
        #expect(configuration.password == "p/a:ss%:x")
        #expect(configuration.address == "localhost:1/2", "no credentials in logs")
    }

    @Test func takesAPasswordWithoutAUser() throws {
        let configuration = try RedisConfiguration(url: "redis://:s3cr@t@localhost")
        #expect(configuration.username == nil)
        #expect(configuration.password == "s3cr@t")
    }

    @Test func takesIPv6InBrackets() throws {
        let configuration = try RedisConfiguration(url: "redis://[::1]:7000/1")
        #expect(configuration.host == "::1")
        #expect(configuration.port == 7000)
        #expect(configuration.address == "[::1]:7000/1")
        #expect(try RedisConfiguration(url: "redis://[fe80::2]").host == "fe80::2")
    }

    @Test(arguments: [
        "", "localhost:6379", "http://:topsecret@localhost", "rediss://:topsecret@localhost", "redis://",
        "redis://:topsecret@", "redis://:topsecret@:6379", "redis://:topsecret@host:0", "redis://:topsecret@host:65536",
        "redis://:topsecret@host:x", "redis://:topsecret@host/x", "redis://:topsecret@host/-1",
        "redis://topsecret@host",
        "redis://:topsecret%@host", "redis://:topsecret%2@host", "redis://:topsecret%zz@host",
        "redis://:topsecret%ff@host",
        "redis://:topsecret%+1@host", "redis://:topsecret@[::1", "redis://:topsecret@[::1]7", "redis://:topsecret@::1",
        "redis://:topsecret@host/0?db=1", "redis://:topsecret@host#1", "redis://:topsecret@host/1/2",
    ])
    func thatIsMalformedIsRefusedWithoutShowingThePassword(url: String) {
        let error = #expect(throws: RedisError.self) { try RedisConfiguration(url: url) }
        #expect(error?.code == .invalidURL)
        #expect(error?.description.contains("topsecret") == false)
    }
}
