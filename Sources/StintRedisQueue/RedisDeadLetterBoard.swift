// SPDX-License-Identifier: Apache-2.0

package import RedisDriver
import StintModel
package import StintStorage

/// Announces dead letters in a stream of readable fields, which keeps about the newest ten thousand.
///
/// The fields are an interface, described in docs/redis.md.
package final class RedisDeadLetterBoard: DeadLetterBoard {
    private let client: RedisClient
    private let keys: RedisKeys
    private let entriesMax: Int

    package init(client: RedisClient, keys: RedisKeys = RedisKeys(), entriesMax: Int = 10_000) {
        self.client = client
        self.keys = keys
        self.entriesMax = entriesMax
    }

    package func announce(_ changes: [JobChange]) async {
        client.post(changes.filter { $0.to == .dead }.map { entry(for: $0) })
    }

    private func entry(for change: JobChange) -> RedisCommand {
        RedisCommand(
            "XADD",
            keys.deadLetters,
            "MAXLEN",
            "~",
            String(entriesMax),
            "*",
            "job_id",
            change.id.description,
            "queue",
            change.lane.queue,
            "name",
            change.lane.name,
            "cause",
            change.cause?.name ?? "",
            "attempt",
            String(change.attempt),
            "at",
            InstantText.of(change.at)
        )
    }
}
