// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import StintCoordinator
import StintModel
import StintStorage
import StintWire

/// What a handler needs to know of a request beyond its body.
struct StintContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    var requestID = ""
    /// The connection it came on.
    let connection: ObjectIdentifier

    init(source: Source) {
        coreContext = .init(source: source)
        connection = ObjectIdentifier(source.channel)
    }

    /// An id in the path.
    ///
    /// A malformed one is as unknown as any other.
    func id(_ what: String) throws -> UUIDv7 {
        let text = parameters.get("id") ?? ""
        guard let id = UUIDv7(text) else { throw Problem.notFound("there is no \(what) \(text.prefix(64))") }
        return id
    }

    /// A queue's name in the path.
    func queue() throws -> String {
        let text = String(parameters.get("queue") ?? "")
        let name = PercentEncoding.decode(text)
        guard LaneName.isValid(name) else { throw Problem.notFound("there is no queue \(name.prefix(128))") }
        return name
    }
}

/// Queue and job names: 1–128 characters of `A-Za-z0-9._:-`.
enum LaneName {
    static func isValid(_ name: String) -> Bool {
        (1...128).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

/// Percent-encoded path components (RFC 3986).
enum PercentEncoding {
    /// What is not a valid escape stays as it is.
    static func decode(_ text: String) -> String {
        var decoded: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let high = rest.first.flatMap(Hex.value),
                let low = rest.dropFirst().first.flatMap(Hex.value)
            {
                decoded.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}

extension Request {
    /// The whole body, refused beyond `bytesMax`.
    func wholeBody(_ bytesMax: Int) async throws -> ByteBuffer {
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > bytesMax {
            throw Problem.tooLarge("the body has \(length) bytes; at most \(bytesMax) are taken")
        }
        do {
            return try await body.collect(upTo: bytesMax)
        } catch is NIOTooManyBytesError {
            throw Problem.tooLarge("the body has more than the \(bytesMax) bytes that are taken")
        } catch {
            throw Problem.brokenBody(error)
        }
    }

    /// Refuses a body where none is expected, but for white space and an empty object.
    func noBody() async throws {
        let buffer = try await wholeBody(1024)
        let text = String(buffer: buffer).filter { !$0.isWhitespace }
        guard text.isEmpty || text == "{}" else { throw Problem.badRequest("this call takes no body") }
    }

    /// The `Idempotency-Key` header, checked; nil when there is none.
    func idempotencyKey() throws -> String? {
        let values = headers[values: .idempotencyKey]
        guard let key = values.first else { return nil }
        guard values.count == 1, (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { throw Problem.badRequest("Idempotency-Key must be given once, with 1 to 255 visible ASCII characters") }
        return key
    }

    var isNDJSON: Bool {
        headers[.contentType]?.split(separator: ";").first.map(String.init)?.lowercased() == "application/x-ndjson"
    }

    /// The query's parameters, each known and given once.
    func query(_ known: String...) throws -> QueryParameters {
        var values: [String: String] = [:]
        for (name, value) in uri.queryParameters {
            let name = String(name)
            guard known.contains(name) else {
                let list = known.isEmpty ? "none" : known.joined(separator: ", ")
                throw Problem.badRequest("unknown query parameter \(name.prefix(64)); known are: \(list)")
            }
            guard values.updateValue(String(value), forKey: name) == nil else {
                throw Problem.badRequest("the query parameter \(name) is given twice")
            }
        }
        return QueryParameters(values: values)
    }
}

extension HTTPField.Name {
    static let idempotencyKey = parsed("Idempotency-Key")
    static let idempotencyReplayed = parsed("Idempotency-Replayed")
    static let requestID = parsed("X-Request-Id")

    private static func parsed(_ name: String) -> HTTPField.Name {
        guard let parsed = HTTPField.Name(name) else { preconditionFailure("\(name) is a valid header name") }
        return parsed
    }
}

/// Checked query parameters.
struct QueryParameters {
    let values: [String: String]

    func laneName(_ name: String) throws -> String? {
        guard let value = values[name] else { return nil }
        guard LaneName.isValid(value) else {
            throw Problem.badRequest("\(name) must have 1 to 128 characters of A-Z a-z 0-9 . _ : -")
        }
        return value
    }

    func text(_ name: String, charactersMax: Int) throws -> String? {
        guard let value = values[name] else { return nil }
        guard (1...charactersMax).contains(value.count) else {
            throw Problem.badRequest("\(name) must have 1 to \(charactersMax) characters")
        }
        return value
    }

    func state() throws -> JobState? {
        guard let value = values["state"] else { return nil }
        guard let state = JobState(name: value) else {
            let known = JobState.allCases.map(\.name).joined(separator: ", ")
            throw Problem.badRequest("unknown state \(value.prefix(64)); known are: \(known)")
        }
        return state
    }

    func cause() throws -> DeadCause? {
        guard let value = values["cause"] else { return nil }
        guard let cause = DeadCause(name: value) else {
            let known = DeadCause.allCases.map(\.name).joined(separator: ", ")
            throw Problem.badRequest("unknown cause \(value.prefix(64)); known are: \(known)")
        }
        return cause
    }

    func time(_ name: String) throws -> Timestamp? {
        guard let value = values[name] else { return nil }
        guard let time = RFC3339.parse(value) else {
            throw Problem.badRequest("\(name) must be a time such as 2026-12-01T09:00:00Z (a + must be sent as %2B)")
        }
        return time
    }

    func int(_ name: String, _ range: ClosedRange<Int>, default fallback: Int) throws -> Int {
        guard let value = values[name] else { return fallback }
        guard let number = Int(value), range.contains(number) else {
            throw Problem.badRequest("\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func seconds(_ name: String, max: Double) throws -> Milliseconds? {
        guard let value = values[name] else { return nil }
        guard let number = Double(value), (0...max).contains(number) else {
            throw Problem.badRequest("\(name) must be a number of seconds from 0 to \(Int(max))")
        }
        return .seconds(number)
    }

    func cursor() throws -> JobID? {
        guard let value = values["cursor"] else { return nil }
        guard let cursor = PageCursor.decode(value) else {
            throw Problem.badRequest("this cursor is not one that a list gave out; start without a cursor")
        }
        return cursor
    }
}

/// Where a page ends, in a form that means nothing to clients.
enum PageCursor {
    static func encode(_ id: JobID) -> String {
        "c" + id.description.filter { $0 != "-" }
    }

    static func decode(_ text: String) -> JobID? {
        // By bytes: a character may hold several of them.
        var digits = Array(text.utf8)
        guard digits.count == 33, digits.removeFirst() == UInt8(ascii: "c") else { return nil }
        for position in [20, 16, 12, 8] { digits.insert(UInt8(ascii: "-"), at: position) }
        return digits.withUnsafeBufferPointer { JobID(utf8: $0) }
    }
}
