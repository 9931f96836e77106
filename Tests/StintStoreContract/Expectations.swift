// SPDX-License-Identifier: Apache-2.0

/// What a case found to be wrong: the first thing, with its place in the contract.
package struct ContractFailure: Error, CustomStringConvertible {
    package let description: String

    init(_ text: String, at place: SourcePlace) {
        description = "\(place.file):\(place.line): \(text)"
    }
}

/// Where in the contract an expectation stands.
struct SourcePlace {
    let file: String
    let line: Int
}

func expect(
    _ condition: Bool,
    _ claim: @autoclosure () -> String,
    file: String = #fileID,
    line: Int = #line
) throws {
    guard condition else { throw ContractFailure(claim(), at: SourcePlace(file: file, line: line)) }
}

func expectEqual<Value: Equatable>(
    _ found: Value,
    _ wanted: Value,
    _ subject: @autoclosure () -> String = "value",
    file: String = #fileID,
    line: Int = #line
) throws {
    guard found != wanted else { return }
    let text = "\(subject()): found \(clipped(found)), wanted \(clipped(wanted))"
    throw ContractFailure(text, at: SourcePlace(file: file, line: line))
}

func require<Value>(
    _ value: Value?,
    _ subject: @autoclosure () -> String,
    file: String = #fileID,
    line: Int = #line
) throws -> Value {
    guard let value else {
        throw ContractFailure("\(subject()): found nothing", at: SourcePlace(file: file, line: line))
    }
    return value
}

/// A value fit for a message: a payload may be very long.
private func clipped<Value>(_ value: Value) -> String {
    let text = String(describing: value)
    return text.count <= 2000 ? text : "\(text.prefix(2000))…"
}
