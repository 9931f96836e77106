// SPDX-License-Identifier: Apache-2.0

/// The commands that wait for their round trip, and whether there is a connection to make it on.
///
/// Commands of one caller stay together and in order. What arrives during a round trip goes out with the next one.
struct WaitingRoom {
    typealias Answer = @Sendable (Result<[RedisReply], RedisError>) -> Void

    /// The commands of one call.
    struct Group {
        var commands: [RedisCommand]
        var answer: Answer
    }

    enum Status: Hashable {
        case notStarted
        case up
        case down(RedisError)
        case closed
    }

    /// At most so many commands and bytes share a round trip (one group always fits), so that none takes too long.
    static let roundTripCommandsMax = 1000
    static let roundTripBytesMax = 4 << 20

    private let commandsMax: Int
    private let bytesMax: Int
    private var groups: [Group] = []
    private var firstGroup = 0
    private var commandCount = 0
    private var byteCount = 0
    /// Whether somebody is carrying out round trips and will look here again.
    private var isServed = false
    private(set) var status = Status.notStarted

    init(_ configuration: RedisConfiguration) {
        commandsMax = configuration.waitingCommandsMax
        bytesMax = configuration.waitingBytesMax
    }

    enum Admission {
        /// It waits; the second says whether serving must be started.
        case waits(mustServe: Bool)
        case refused(RedisError)
    }

    mutating func admit(_ group: Group) -> Admission {
        switch status {
        case .up: break
        case .down(let error): return .refused(RedisError(.notConnected, "Redis is away: \(error)"))
        case .notStarted: return .refused(RedisError(.notConnected, "Redis is not connected yet"))
        case .closed: return .refused(RedisError(.closed, "the Redis client is closed"))
        }
        let bytes = Self.bytes(of: group)
        guard commandCount + group.commands.count <= commandsMax, byteCount + bytes <= bytesMax else {
            return .refused(RedisError(.overloaded, "too many commands wait for Redis"))
        }
        groups.append(group)
        commandCount += group.commands.count
        byteCount += bytes
        defer { isServed = true }
        return .waits(mustServe: !isServed)
    }

    /// What goes out together now; empty when nothing waits, and then serving has ended.
    mutating func nextRoundTrip() -> [Group] {
        var taken: [Group] = []
        var commands = 0
        var bytes = 0
        while firstGroup < groups.count {
            let group = groups[firstGroup]
            let size = Self.bytes(of: group)
            let isFull =
                commands + group.commands.count > Self.roundTripCommandsMax || bytes + size > Self.roundTripBytesMax
            if isFull, !taken.isEmpty { break }
            commands += group.commands.count
            bytes += size
            taken.append(group)
            firstGroup += 1
        }
        if firstGroup == groups.count {
            groups.removeAll(keepingCapacity: groups.count < 1024)
            firstGroup = 0
        } else if firstGroup > 1024 {
            groups.removeFirst(firstGroup)
            firstGroup = 0
        }
        commandCount -= commands
        byteCount -= bytes
        if taken.isEmpty { isServed = false }
        return taken
    }

    mutating func connected() {
        if status != .closed { status = .up }
    }

    /// - Returns: Those who waited and must be told.
    mutating func disconnected(_ error: RedisError) -> [Group] {
        if status != .closed { status = .down(error) }
        return evictAll()
    }

    mutating func close() -> [Group] {
        status = .closed
        return evictAll()
    }

    private mutating func evictAll() -> [Group] {
        let evicted = Array(groups[firstGroup...])
        groups = []
        firstGroup = 0
        commandCount = 0
        byteCount = 0
        return evicted
    }

    private static func bytes(of group: Group) -> Int {
        group.commands.reduce(0) { $0 + $1.byteCount }
    }
}
