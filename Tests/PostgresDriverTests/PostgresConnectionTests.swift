// SPDX-License-Identifier: Apache-2.0

import Dispatch
import PostgresDriver
import StintTestServers
import Testing

@Suite("A PostgreSQL connection")
struct PostgresConnectionTests {
    @Test func carriesEveryTypeThereAndBack() throws {
        let connection = try DriverServer.connection()
        let uuid = PostgresUUID(high: 0x0123_4567_89AB_CDEF, low: .max)
        let statement = PostgresStatement("SELECT $1, $2, $3, $4, $5, $6::uuid[], $7::text[], $8, $9") { parameters in
            parameters.add(Int64.min as Int64?)
            parameters.add(true)
            parameters.add("ünï😀" as String?)
            parameters.add([0, 255, 10] as [UInt8]?)
            parameters.add(uuid as PostgresUUID?)
            parameters.add([uuid, PostgresUUID(high: 0, low: 1)] as [PostgresUUID?])
            parameters.add(["", "b,{}\"\\"] as [String?])
            parameters.add(nil as Int64?)
            parameters.add("" as String?)
        }
        let row = try #require(try connection.run(statement).first)
        #expect(row.integer(0) == .min)
        #expect(row.bool(1))
        #expect(row.text(2) == "ünï😀")
        #expect(row.bytes(3) == [0, 255, 10])
        #expect(row.uuid(4) == uuid)
        #expect(row.uuids(5) == [uuid, PostgresUUID(high: 0, low: 1)])
        #expect(row.texts(6) == ["", "b,{}\"\\"])
        #expect(row.integerOrNil(7) == nil)
        #expect(row.isNull(7))
        #expect(row.textOrNil(8) == "")
    }

    @Test func carriesArraysWithNullsOfEveryWidth() throws {
        let connection = try DriverServer.connection()
        let sql = """
            SELECT * FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::double precision[], $5::boolean[], $6::bytea[])
            """
        let statement = PostgresStatement(sql) { parameters in
            parameters.add([1, nil, -3] as [Int64?])
            parameters.add([4, nil, .min] as [Int32?])
            parameters.add([7, nil, .max] as [Int16?])
            parameters.add([0.5, nil, -1e300] as [Double?])
            parameters.add([true, nil, false] as [Bool?])
            parameters.add([[], nil, [0]] as [[UInt8]?])
        }
        let rows = Array(try connection.run(statement).rows)
        #expect(rows.map { $0.integerOrNil(0) } == [1, nil, -3])
        #expect(rows.map { $0.integerOrNil(1) } == [4, nil, Int64(Int32.min)])
        #expect(rows.map { $0.integerOrNil(2) } == [7, nil, Int64(Int16.max)])
        #expect(rows.map { $0.doubleOrNil(3) } == [0.5, nil, -1e300])
        #expect(rows.map { $0.bool(4) } == [true, false, false])
        #expect(rows.map { $0.bytesOrNil(5) } == [[], nil, [0]])
    }

    @Test func answersAPipelineInOrder() throws {
        let connection = try DriverServer.connection()
        let statements = (0..<200).map { number in
            PostgresStatement("SELECT $1::bigint * 2") { $0.add(Int64(number) as Int64?) }
        }
        for _ in 0..<2 {
            let results = try connection.run([.begin] + statements + [.commit])
            #expect(results.dropFirst().dropLast().map { $0.first?.int(0) } == (0..<200).map { $0 * 2 })
            #expect(!connection.isInTransaction)
        }
    }

    @Test func sendsMoreThanTheBuffersHoldWhileAnswersComeBack() throws {
        let connection = try DriverServer.connection()
        let block = [UInt8](repeating: 7, count: 1 << 20)
        let statements = (0..<24).map { _ in PostgresStatement("SELECT $1::bytea") { $0.add(block as [UInt8]?) } }
        let results = try connection.run(statements)
        #expect(results.allSatisfy { $0.first?.bytes(0) == block })
    }

    @Test func rollsBackAllWhenAStatementInAPipelineFails() throws {
        let connection = try DriverServer.connection()
        let name = "pipeline_error"
        _ = try connection.run(PostgresStatement("CREATE TABLE \(name) (n bigint PRIMARY KEY)", isKept: false))
        let insert = PostgresStatement("INSERT INTO \(name) VALUES (1)", isKept: false)
        let error = try postgresError { _ = try connection.run([.begin, insert, insert, .commit]) }
        #expect(error.kind == .refused)
        #expect(error.sqlState == "23505")
        #expect(connection.isInTransaction)
        connection.rollBack()
        #expect(!connection.isInTransaction)
        let count = try connection.run(PostgresStatement("SELECT count(*) FROM \(name)", isKept: false)).first?.int(0)
        #expect(count == 0)
        // Without a transaction of one's own the pipeline is one.
        _ = try postgresError { _ = try connection.run([insert, insert]) }
        #expect(!connection.isInTransaction)
        let again = try connection.run(PostgresStatement("SELECT count(*) FROM \(name)", isKept: false)).first?.int(0)
        #expect(again == 0)
    }

    @Test func goesOnAfterAStatementThatCouldNotBePrepared() throws {
        let connection = try DriverServer.connection()
        let wrong = PostgresStatement("SELECT nonsense FROM nowhere")
        let right = PostgresStatement("SELECT 5::bigint")
        #expect(try postgresError { _ = try connection.run([wrong, right]) }.sqlState == "42P01")
        #expect(try connection.run([right]).first?.first?.int(0) == 5)
        #expect(try postgresError { _ = try connection.run([wrong]) }.sqlState == "42P01")
        #expect(!connection.isBroken)
    }

    @Test func tellsNoDataInItsErrors() throws {
        let connection = try DriverServer.connection()
        let statement = PostgresStatement("SELECT $1::text::bigint", isKept: false) { $0.add("my secret" as String?) }
        let error = try postgresError { _ = try connection.run(statement) }
        #expect(error.sqlState == "22P02")
        #expect(!error.description.contains("secret"))
    }

    @Test func isRefusedWithAWrongPasswordWithoutShowingIt() throws {
        let error = try postgresError {
            _ = try DriverServer.connection { $0.password = "wrong-one" }
        }
        #expect(error.kind == .unreachable)
        #expect(!error.description.contains("wrong-one"))
    }

    @Test func comesThroughTheUnixSocketToo() throws {
        let server = try DriverServer.shared.get()
        let connection = try DriverServer.connection { $0.host = server.directory }
        #expect(try connection.run(PostgresStatement("SELECT inet_client_addr() IS NULL")).first?.bool(0) == true)
    }

    @Test func setsItsTimeOutsAndItsName() throws {
        let connection = try DriverServer.connection()
        let wanted = [
            ("statement_timeout", "5s"), ("lock_timeout", "2s"), ("idle_in_transaction_session_timeout", "3s"),
            ("application_name", "stint"),
        ]
        for (name, value) in wanted {
            let shown = try connection.run(PostgresStatement("SELECT current_setting('\(name)')", isKept: false))
            #expect(shown.first?.text(0) == value, "\(name)")
        }
    }

    @Test func endsAStatementThatTakesTooLong() throws {
        let connection = try DriverServer.connection { $0.statementTimeoutMilliseconds = 100 }
        let error = try postgresError {
            _ = try connection.run(PostgresStatement("SELECT pg_sleep(30)", isKept: false))
        }
        #expect(error.sqlState == "57014")
        #expect(!connection.isBroken)
    }

    @Test func endsAWaitForALockThatTakesTooLong() throws {
        let holder = try DriverServer.connection()
        let waiter = try DriverServer.connection { $0.lockTimeoutMilliseconds = 100 }
        _ = try holder.run(PostgresStatement("CREATE TABLE locked (n bigint)", isKept: false))
        _ = try holder.run([.begin, PostgresStatement("LOCK TABLE locked", isKept: false)])
        let error = try postgresError {
            _ = try waiter.run(PostgresStatement("SELECT count(*) FROM locked", isKept: false))
        }
        #expect(error.sqlState == "55P03")
        holder.rollBack()
    }

    @Test func canBeInterruptedFromAnotherThread() async throws {
        let connection = try DriverServer.connection { $0.statementTimeoutMilliseconds = 60_000 }
        let canceller = try #require(connection.canceller())
        let process = connection.serverProcess
        DispatchQueue.global().async {
            guard let watcher = try? DriverServer.connection() else { return }  // then the test fails by time-out
            // Not before the statement runs, or there would be nothing to interrupt.
            let running = "SELECT count(*) FROM pg_stat_activity WHERE pid = \(process) AND state = 'active'"
            while (try? watcher.run(PostgresStatement(running)).first?.int(0)) == 0 {}
            canceller.cancel()
        }
        let error = try postgresError {
            _ = try connection.run(PostgresStatement("SELECT pg_sleep(30)", isKept: false))
        }
        #expect(error.sqlState == "57014")
    }
}
