// SPDX-License-Identifier: Apache-2.0

package import RedisDriver
package import StintStorage

/// Reports that wait for the record, in a stream, with a bound on their number and their bytes.
package final class RedisReportShelf: ReportShelf {
    private static let field = "request"

    private let client: RedisClient
    private let keys: RedisKeys
    private let requestsMax: Int
    private let bytesMax: Int

    /// - Parameters:
    ///   - requestsMax: More requests are refused.
    ///   - bytesMax: More bytes of requests are refused: what they take in Redis is a little more.
    package init(
        client: RedisClient,
        keys: RedisKeys = RedisKeys(),
        requestsMax: Int = 50_000,
        bytesMax: Int = 128 << 20
    ) {
        self.client = client
        self.keys = keys
        self.requestsMax = requestsMax
        self.bytesMax = bytesMax
    }

    package func keep(_ request: ReportRequest) async throws(StorageError) -> Bool {
        let bytes = ReportCodec.encode(request)
        var arguments = RedisCommand(reservingBytes: bytes.count + 128)
        arguments.append(requestsMax)
        arguments.append(bytesMax)
        arguments.append(Self.field)
        arguments.append(bytes)
        return try await run(Self.keepScript, arguments).asInteger == 1
    }

    package func oldest(limit: Int) async throws(StorageError) -> [ShelvedReports] {
        guard limit > 0 else { return [] }
        let entries: [RedisReply]
        do throws(RedisError) {
            let reply = try await client.call(RedisCommand("XRANGE", keys.reports, "-", "+", "COUNT", String(limit)))
            entries = reply.asArray ?? []
        } catch {
            // A key of another type holds no reports; keeping the next one replaces it.
            if error.serverCode == "WRONGTYPE" { return [] }
            throw StorageError(error)
        }
        return entries.compactMap { entry in
            guard let parts = entry.asArray, parts.count == 2, let place = parts[0].asText else { return nil }
            let fields = parts[1].asArray ?? []
            let isOurs = fields.count == 2 && fields[0].asText == Self.field
            return ShelvedReports(place: place, request: isOurs ? fields[1].asBytes.flatMap(ReportCodec.decode) : nil)
        }
    }

    package func discard(_ shelved: [ShelvedReports]) async throws(StorageError) {
        guard !shelved.isEmpty else { return }
        var arguments = RedisCommand(reservingBytes: 64 + shelved.count * 32)
        arguments.append(Self.field)
        for reports in shelved { arguments.append(reports.place) }
        _ = try await run(Self.discardScript, arguments)
    }

    private func run(_ script: RedisScript, _ arguments: RedisCommand) async throws(StorageError) -> RedisReply {
        do throws(RedisError) {
            let run = RedisScript.Run(keys: [keys.reports, keys.reportBytes], arguments: arguments)
            return try await client.run(script, run)
        } catch {
            throw StorageError(error)
        }
    }

    /// Adds a request, unless that is too many.
    ///
    /// KEYS: the stream, the sum of its bytes. ARGV: how many requests and bytes at most, the field, the request.
    /// Returns 1 when it was added. A key of another type is replaced. Touches: one entry.
    private static let keepScript = RedisScript(
        """
        local size = redis.pcall('XLEN', KEYS[1])
        if type(size) ~= 'number' then
          redis.call('DEL', KEYS[1])
          size = 0
        end
        if size == 0 then redis.call('DEL', KEYS[2]) end
        local bytes = redis.pcall('GET', KEYS[2])
        bytes = type(bytes) == 'string' and tonumber(bytes) or 0
        if size >= tonumber(ARGV[1]) or bytes + #ARGV[4] > tonumber(ARGV[2]) then return 0 end
        redis.call('XADD', KEYS[1], '*', ARGV[3], ARGV[4])
        redis.call('SET', KEYS[2], string.format('%.0f', bytes + #ARGV[4]))
        return 1
        """
    )

    /// Removes requests.
    ///
    /// KEYS: the stream, the sum of its bytes. ARGV: the field, then the places of the requests. Touches: those entries.
    private static let discardScript = RedisScript(
        """
        local bytes = redis.pcall('GET', KEYS[2])
        bytes = type(bytes) == 'string' and tonumber(bytes) or 0
        for i = 2, #ARGV do
          local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
          if entry then
            if entry[2][1] == ARGV[1] then bytes = math.max(0, bytes - #entry[2][2]) end
            redis.call('XDEL', KEYS[1], ARGV[i])
          end
        end
        if redis.call('XLEN', KEYS[1]) == 0 then
          redis.call('DEL', KEYS[1], KEYS[2])
        else
          redis.call('SET', KEYS[2], string.format('%.0f', bytes))
        end
        return 1
        """
    )
}
