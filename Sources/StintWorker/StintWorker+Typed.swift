// SPDX-License-Identifier: Apache-2.0

import Foundation
import StintWire

extension StintWorker {
    /// Adds a handler whose payload and result are Swift values.
    ///
    /// A payload that does not decode sets the job aside at once, with the reason.
    ///
    /// - Parameters:
    ///   - name: The jobs it is for; `*` for all that have no handler of their own.
    ///   - handler: Runs one attempt; what it returns becomes the job's result.
    public func handle<Payload: Decodable & Sendable, Output: Encodable & Sendable>(
        _ name: String,
        _ handler: @escaping @Sendable (Job<Payload>, JobContext) async throws -> Output
    ) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let decoder = JSONDecoder()
        add(name) { context in
            let output = try await handler(try Self.job(context, decoder), context)
            let bytes: [UInt8]
            do {
                bytes = Array(try encoder.encode(output))
            } catch {
                throw JobFailure("the result cannot be encoded: \(error)", type: "ResultInvalid", isRetryable: false)
            }
            return try HandlerTable.checkedLength(bytes)
        }
    }

    /// Adds a handler whose payload is a Swift value and that has no result.
    ///
    /// - Parameters:
    ///   - name: The jobs it is for; `*` for all that have no handler of their own.
    ///   - handler: Runs one attempt.
    public func handle<Payload: Decodable & Sendable>(
        _ name: String,
        _ handler: @escaping @Sendable (Job<Payload>, JobContext) async throws -> Void
    ) {
        let decoder = JSONDecoder()
        add(name) { context in
            try await handler(try Self.job(context, decoder), context)
            return nil
        }
    }

    private static func job<Payload: Decodable>(
        _ context: JobContext,
        _ decoder: JSONDecoder
    ) throws -> Job<Payload> {
        do {
            return Job(context.granted, payload: try decoder.decode(Payload.self, from: Data(context.granted.payload)))
        } catch {
            throw JobFailure(
                "the payload is no \(Payload.self): \(error)",
                type: "PayloadInvalid",
                isRetryable: false
            )
        }
    }
}
