// SPDX-License-Identifier: Apache-2.0

import StintModel

/// An ended attempt, as the job's `earlier` column holds it.
struct EndedAttempt: Hashable {
    var attempt: Attempt
    var nonce: UInt64
    /// Whether its worker said how it ended, rather than the server.
    var isReported: Bool
}

/// Packs attempts one behind the other, so that one more is an append in SQL (`earlier || …`).
///
/// Each begins with a format byte. Stored: a format is never changed, only added.
enum AttemptCodec {
    private static let format: UInt8 = 1
    private static let reportedFlag: UInt8 = 1
    private static let errorFlag: UInt8 = 2

    static func encode(_ ended: EndedAttempt) -> [UInt8] {
        let attempt = ended.attempt
        var bytes: [UInt8] = [format]
        let error = attempt.error == nil ? 0 : errorFlag
        bytes.append((ended.isReported ? reportedFlag : 0) | error)
        bytes.append(UInt8(attempt.outcome?.rawValue ?? AttemptOutcome.released.rawValue))
        bytes.append(integer: UInt32(truncatingIfNeeded: attempt.number))
        bytes.append(integer: attempt.worker.high)
        bytes.append(integer: attempt.worker.low)
        bytes.append(integer: ended.nonce)
        bytes.append(integer: attempt.startedAt.milliseconds)
        bytes.append(integer: (attempt.endedAt ?? attempt.startedAt).milliseconds)
        bytes.append(words: attempt.workerName)
        if let error = attempt.error {
            bytes.append(words: error.type)
            bytes.append(words: error.message)
            bytes.append(words: error.stack)
        }
        return bytes
    }

    /// Nil when the bytes are not what ``encode(_:)`` writes.
    static func decode(_ bytes: [UInt8]) -> [EndedAttempt]? {
        var reader = Reader(bytes: bytes)
        var attempts: [EndedAttempt] = []
        while !reader.isAtEnd {
            guard let attempt = reader.attempt() else { return nil }
            attempts.append(attempt)
        }
        return attempts
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        init(bytes: [UInt8]) {
            self.bytes = bytes
        }

        var isAtEnd: Bool { position == bytes.count }

        mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
            let size = MemoryLayout<Value>.size
            guard position + size <= bytes.count else { return nil }
            defer { position += size }
            return bytes.withUnsafeBytes {
                Value(bigEndian: $0.loadUnaligned(fromByteOffset: position, as: Value.self))
            }
        }

        mutating func words() -> String? {
            guard let count = integer(UInt32.self).map(Int.init), position + count <= bytes.count else { return nil }
            defer { position += count }
            return String(decoding: bytes[position..<position + count], as: UTF8.self)
        }

        mutating func attempt() -> EndedAttempt? {
            guard integer(UInt8.self) == AttemptCodec.format, let flags = integer(UInt8.self),
                let outcome = integer(UInt8.self).flatMap({ AttemptOutcome(rawValue: Int($0)) }),
                let number = integer(UInt32.self), let high = integer(UInt64.self), let low = integer(UInt64.self),
                let nonce = integer(UInt64.self), let startedAt = integer(Int64.self),
                let endedAt = integer(Int64.self), let name = words()
            else { return nil }
            var attempt = Attempt(
                number: Int(number),
                worker: WorkerID(high: high, low: low),
                workerName: name,
                startedAt: Timestamp(milliseconds: startedAt),
                endedAt: Timestamp(milliseconds: endedAt),
                outcome: outcome
            )
            if flags & AttemptCodec.errorFlag != 0 {
                guard let type = words(), let message = words(), let stack = words() else { return nil }
                attempt.error = JobError(type: type, message: message, stack: stack)
            }
            return EndedAttempt(
                attempt: attempt,
                nonce: nonce,
                isReported: flags & AttemptCodec.reportedFlag != 0
            )
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer.bigEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func append(words: String) {
        append(integer: UInt32(words.utf8.count))
        append(contentsOf: words.utf8)
    }
}
