// SPDX-License-Identifier: Apache-2.0

import CHiredis

/// What Redis answered to one command.
package enum RedisReply: Hashable, Sendable {
    case bytes([UInt8])
    case integer(Int64)
    case null
    case array([RedisReply])
    case error(RedisError)

    /// The bytes of a string, nil for anything else.
    package var asBytes: [UInt8]? {
        guard case .bytes(let bytes) = self else { return nil }
        return bytes
    }

    /// The text of a string, nil for anything else.
    package var asText: String? {
        asBytes.map { String(decoding: $0, as: UTF8.self) }
    }

    /// A number, written as one or as text; nil for anything else.
    package var asInteger: Int64? {
        switch self {
        case .integer(let number): number
        case .bytes(let bytes): Int64(String(decoding: bytes, as: UTF8.self))
        default: nil
        }
    }

    package var asArray: [RedisReply]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The reply, unless it is an error.
    package func get() throws(RedisError) -> RedisReply {
        guard case .error(let error) = self else { return self }
        throw error
    }
}

extension RedisReply {
    /// Copies hiredis's reply.
    init(_ reply: UnsafePointer<redisReply>) {
        switch reply.pointee.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS:
            self = .bytes(Self.bytes(of: reply))
        case REDIS_REPLY_INTEGER:
            self = .integer(Int64(reply.pointee.integer))
        case REDIS_REPLY_ARRAY:
            let elements = UnsafeBufferPointer(start: reply.pointee.element, count: reply.pointee.elements)
            self = .array(elements.map { element in element.map { RedisReply($0) } ?? .null })
        case REDIS_REPLY_ERROR:
            self = .error(RedisError(serverText: String(decoding: Self.bytes(of: reply), as: UTF8.self)))
        default:
            self = .null
        }
    }

    private static func bytes(of reply: UnsafePointer<redisReply>) -> [UInt8] {
        guard let start = reply.pointee.str else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: reply.pointee.len))
    }
}
