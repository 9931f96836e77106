// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import RedisDriver

@Suite("The waiting room of a Redis client")
struct WaitingRoomTests {
    private func group(_ count: Int, bytes: Int = 10) -> WaitingRoom.Group {
        let command = RedisCommand([[UInt8](repeating: 7, count: bytes)])
        return WaitingRoom.Group(commands: Array(repeating: command, count: count)) { _ in }
    }

    private func open(_ edit: (inout RedisConfiguration) -> Void = { _ in }) -> WaitingRoom {
        var configuration = RedisConfiguration()
        edit(&configuration)
        var room = WaitingRoom(configuration)
        room.connected()
        return room
    }

    private func waits(_ admission: WaitingRoom.Admission) -> Bool? {
        if case .waits(let mustServe) = admission { mustServe } else { nil }
    }

    private func refusal(_ admission: WaitingRoom.Admission) -> RedisError.Code? {
        if case .refused(let error) = admission { error.code } else { nil }
    }

    @Test func onlyTheFirstStartsServing() {
        var room = open()
        #expect(waits(room.admit(group(1))) == true)
        #expect(waits(room.admit(group(2))) == false)
        #expect(room.nextRoundTrip().map(\.commands.count) == [1, 2])
        #expect(waits(room.admit(group(3))) == false, "who serves looks again")
        #expect(room.nextRoundTrip().map(\.commands.count) == [3])
        #expect(room.nextRoundTrip().isEmpty)
        #expect(waits(room.admit(group(4))) == true)
    }

    @Test func aRoundTripTakesWholeGroupsUpToALimit() {
        var room = open()
        for count in [400, 400, 400, 2500, 1] { #expect(waits(room.admit(group(count))) != nil) }
        #expect(room.nextRoundTrip().map(\.commands.count) == [400, 400])
        #expect(room.nextRoundTrip().map(\.commands.count) == [400])
        #expect(room.nextRoundTrip().map(\.commands.count) == [2500], "one group always fits")
        #expect(room.nextRoundTrip().map(\.commands.count) == [1])
    }

    @Test func aRoundTripTakesSoManyBytes() {
        var room = open()
        for _ in 0..<3 { #expect(waits(room.admit(group(1, bytes: 3 << 20))) != nil) }
        for _ in 0..<3 { #expect(room.nextRoundTrip().count == 1) }
    }

    @Test func whatLeavesMakesRoom() {
        var room = open { $0.waitingCommandsMax = 10 }
        #expect(waits(room.admit(group(6))) != nil)
        #expect(refusal(room.admit(group(5))) == .overloaded)
        #expect(waits(room.admit(group(4))) != nil)
        #expect(refusal(room.admit(group(1))) == .overloaded)
        _ = room.nextRoundTrip()
        #expect(waits(room.admit(group(10))) != nil)
    }

    @Test func nobodyIsLetInWithoutAConnection() {
        var room = WaitingRoom(RedisConfiguration())
        #expect(refusal(room.admit(group(1))) == .notConnected)
        room.connected()
        #expect(waits(room.admit(group(1))) == true)
        #expect(room.disconnected(RedisError(.timedOut, "late")).count == 1, "they must be told")
        #expect(refusal(room.admit(group(1))) == .notConnected)
        #expect(room.nextRoundTrip().isEmpty)
        room.connected()
        #expect(waits(room.admit(group(1))) == true)
        #expect(room.close().count == 1)
        room.connected()
        #expect(refusal(room.admit(group(1))) == .closed, "for good")
    }

    @Test func manyGroupsComeOutInOrder() {
        var room = open()
        var put = 0
        var taken = 0
        while taken < 10_000 {
            for _ in 0..<700 where put < 10_000 {
                put += 1
                #expect(waits(room.admit(group(1 + put % 5))) != nil)
            }
            for group in room.nextRoundTrip() {
                taken += 1
                if group.commands.count != 1 + taken % 5 { Issue.record("out of order at \(taken)") }
            }
        }
        #expect(room.nextRoundTrip().isEmpty)
    }
}

@Suite("The pause before connecting again")
struct ReconnectPauseTests {
    @Test func doublesUpToALimitAndHalfOfItIsChance() {
        var configuration = RedisConfiguration()
        configuration.reconnectPause = .milliseconds(100)
        configuration.reconnectPauseMax = .milliseconds(500)
        var longest = ReconnectPause(configuration)
        #expect((0..<5).map { _ in longest.next(random: 1) } == [100, 200, 400, 500, 500].map { .milliseconds($0) })
        var shortest = ReconnectPause(configuration)
        #expect((0..<5).map { _ in shortest.next(random: 0) } == [50, 100, 200, 250, 250].map { .milliseconds($0) })
        for _ in 0..<100 { _ = longest.next() }
        #expect(longest.next(random: 1) == .milliseconds(500))
        longest.succeeded()
        #expect(longest.next(random: 1) == .milliseconds(100))
    }
}
