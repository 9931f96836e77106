// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Testing

@Suite("A database URL")
struct PostgresConfigurationTests {
    @Test func namesEverything() throws {
        let url = "postgres://us%40er:p%3Ass%2F@db.example:6432/my%20db?sslmode=require&pgbouncer=true"
        let configuration = try PostgresConfiguration(url: url)
        #expect(configuration.user == "us@er")
        #expect(configuration.password == "p:ss/")
        #expect(configuration.host == "db.example")
        #expect(configuration.port == 6432)
        #expect(configuration.database == "my db")
        #expect(configuration.sslMode == "require")
        #expect(configuration.isPooled)
        #expect(configuration.displayName == "us@er@db.example:6432/my db")
    }

    @Test func mayLeaveOutAlmostAll() throws {
        let configuration = try PostgresConfiguration(url: "postgresql://")
        #expect(configuration.host == "localhost")
        #expect(configuration.port == 5432)
        #expect(configuration.password == nil)
        #expect(!configuration.isPooled)
        #expect(try PostgresConfiguration(url: "postgres://ann@h").database == "ann")
        #expect(try PostgresConfiguration(url: "postgres://h/jobs").database == "jobs")
    }

    @Test func mayNameAnAddressOfVersion6OrASocket() throws {
        let address = try PostgresConfiguration(url: "postgres://u:p@[fe80::1]:5433/db")
        #expect(address.host == "fe80::1")
        #expect(address.port == 5433)
        let socket = try PostgresConfiguration(url: "postgres://u@/db?host=/var/run/postgresql&port=5434")
        #expect(socket.host == "/var/run/postgresql")
        #expect(socket.port == 5434)
    }

    @Test(arguments: [
        "mysql://u:secret@h/db", "postgres://u:secret@h:port/db", "postgres://u:secret%2@h/db",
        "postgres://u:secret@[::1/db", "postgres://u:secret@h/db?sslmode=maybe", "postgres://u:secret@h/db?nonsense=1",
        "postgres://u:secret@h:70000/db", "postgres://u:sec#ret@h/db", "postgres://u:%FFsecret@h/db",
    ])
    func thatIsWrongIsRefusedWithoutShowingItsPassword(_ url: String) throws {
        let error = try postgresError { _ = try PostgresConfiguration(url: url) }
        #expect(error.kind == .misconfigured)
        #expect(!error.description.contains("sec"))
    }
}
