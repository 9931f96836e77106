// SPDX-License-Identifier: Apache-2.0

public import StintWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension SubmitRequest {
    /// Creates a job whose payload is the JSON of `value`.
    ///
    /// - Throws: What the value's own encoding throws.
    public init(name: String, encoding value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self.init(name: name, payload: Array(try encoder.encode(value)))
    }
}

extension JobView {
    /// The result, decoded; nil when there is none.
    ///
    /// - Throws: What decoding throws when the result is something else.
    public func decodedResult<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value? {
        guard let result else { return nil }
        return try JSONDecoder().decode(type, from: Data(result))
    }
}
