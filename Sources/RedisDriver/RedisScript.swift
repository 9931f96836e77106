// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A Lua script that Redis runs in one atomic step.
package struct RedisScript: Hashable, Sendable {
    package let source: String

    package init(_ source: String) {
        self.source = source
    }

    /// One run of a script.
    package struct Run: Sendable {
        var keys: [String]
        var arguments: RedisCommand

        /// - Parameter arguments: A command that holds nothing but the arguments.
        package init(keys: [String] = [], arguments: RedisCommand) {
            self.keys = keys
            self.arguments = arguments
        }

        func command(_ verb: String, _ script: String) -> RedisCommand {
            var command = RedisCommand(
                reservingBytes: arguments.byteCount + 256 + (verb == "EVAL" ? script.utf8.count : 0)
            )
            command.append(verb)
            command.append(script)
            command.append(keys.count)
            for key in keys { command.append(key) }
            command.append(contentsOf: arguments)
            return command
        }
    }
}

extension RedisClient {
    /// Runs a script once; a server's error is thrown.
    package func run(_ script: RedisScript, _ run: RedisScript.Run) async throws(RedisError) -> RedisReply {
        guard let reply = try await self.run(script, [run]).first else {
            throw RedisError(.unexpectedReply, "Redis gave no reply")
        }
        return try reply.get()
    }

    /// Runs a script several times, in order, in one round trip.
    ///
    /// The script is named by its digest; a server that has forgotten it, or was restarted, is sent the text.
    package func run(_ script: RedisScript, _ runs: [RedisScript.Run]) async throws(RedisError) -> [RedisReply] {
        let digest = try await digest(of: script)
        var replies = try await send(runs.map { $0.command("EVALSHA", digest) })
        let unknown = replies.indices.filter { index in
            if case .error(let error) = replies[index] { error.serverCode == "NOSCRIPT" } else { false }
        }
        guard !unknown.isEmpty else { return replies }
        let again = try await send(unknown.map { runs[$0].command("EVAL", script.source) })
        for (index, reply) in zip(unknown, again) { replies[index] = reply }
        return replies
    }

    private func digest(of script: RedisScript) async throws(RedisError) -> String {
        if let known = digests.withLock({ $0[script.source] }) { return known }
        guard let digest = try await call(RedisCommand("SCRIPT", "LOAD", script.source)).asText else {
            throw RedisError(.unexpectedReply, "Redis did not name the digest of a script")
        }
        digests.withLock { $0[script.source] = digest }
        return digest
    }
}
