// SPDX-License-Identifier: Apache-2.0

package import RedisDriver
package import StintStorage

/// What `doctor` shows of Redis.
package enum RedisDiagnostics {
    package static func read(
        _ client: RedisClient,
        keys: RedisKeys = RedisKeys()
    ) async throws(StorageError) -> [RecordDiagnostic] {
        let belt = RedisReadyQueue(client: client, keys: keys)
        let depth = try await belt.depth()
        do throws(RedisError) {
            let replies = try await client.send([
                RedisCommand("INFO", "everything"), RedisCommand("XLEN", keys.reports),
                RedisCommand("XLEN", keys.deadLetters),
            ])
            let info = RedisInfo(try replies[0].get().asText ?? "")
            return lines(info) + [
                RecordDiagnostic(key: "redis_belt_jobs", value: String(depth)),
                waiting(replies[1].asInteger ?? 0),
                RecordDiagnostic(key: "redis_dead_letters_announced", value: String(replies[2].asInteger ?? 0)),
            ]
        } catch {
            throw StorageError(error)
        }
    }

    private static func lines(_ info: RedisInfo) -> [RecordDiagnostic] {
        [version(info), memory(info), policy(info), persistence(info), role(info)]
    }

    private static func version(_ info: RedisInfo) -> RecordDiagnostic {
        let version = info["redis_version"] ?? "unknown"
        let major = version.split(separator: ".").first.flatMap { Int($0) }
        return RecordDiagnostic(
            key: "redis_version",
            value: version,
            warning: major.map { $0 < 6 } ?? false ? "Stint is tested with Redis 7; use 6.2 or newer" : nil
        )
    }

    private static func memory(_ info: RedisInfo) -> RecordDiagnostic {
        let used = info["used_memory"] ?? "unknown"
        let limit = info["maxmemory"].flatMap { Int64($0) } ?? 0
        let share = limit > 0 ? (Double(used) ?? 0) / Double(limit) : 0
        return RecordDiagnostic(
            key: "redis_memory_bytes",
            value: limit > 0 ? "\(used) of \(limit)" : "\(used), no limit",
            warning: share > 0.9 ? "almost full: raise maxmemory, or find out what else is kept there" : nil
        )
    }

    private static func policy(_ info: RedisInfo) -> RecordDiagnostic {
        let policy = info["maxmemory_policy"] ?? "unknown"
        return RecordDiagnostic(
            key: "redis_maxmemory_policy",
            value: policy,
            warning: policy == "noeviction"
                ? nil : "should be noeviction: jobs evicted from the belt wait for the reconciliation"
        )
    }

    private static func persistence(_ info: RedisInfo) -> RecordDiagnostic {
        let appends = info["aof_enabled"] == "1"
        let value = appends ? "append-only file" : "snapshots or none"
        return RecordDiagnostic(
            key: "redis_persistence",
            value: value + "; Stint needs none: the record holds everything"
        )
    }

    private static func role(_ info: RedisInfo) -> RecordDiagnostic {
        let role = info["role"] ?? "unknown"
        let isCluster = info["cluster_enabled"] == "1"
        let warning =
            role == "slave"
            ? "a replica takes no writes: give the address of the master"
            : isCluster ? "a cluster is not supported: use one Redis" : nil
        return RecordDiagnostic(key: "redis_role", value: isCluster ? "cluster" : role, warning: warning)
    }

    private static func waiting(_ count: Int64) -> RecordDiagnostic {
        RecordDiagnostic(
            key: "redis_reports_waiting",
            value: String(count),
            warning: count > 0 ? "reports wait for the record: is it away?" : nil
        )
    }
}
