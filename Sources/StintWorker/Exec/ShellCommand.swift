// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintWire

/// A shell command as the handler of a job name.
package struct ShellCommand: Hashable, Sendable {
    /// The jobs it is for; `*` for all that have no command of their own.
    package var name: String
    /// What `/bin/sh -c` is given, `{payload}` replaced.
    package var template: String

    package init(name: String, template: String) {
        self.name = name
        self.template = template
    }

    /// Reads `name=command`; nil for anything else.
    package init?(_ text: String) {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        name = String(text[..<equals])
        template = String(text[text.index(after: equals)...])
        guard !name.isEmpty, template.contains(where: { !$0.isWhitespace }) else { return nil }
    }

    /// A longer payload is not in the environment: the system allows a variable 128 KiB.
    static let payloadBytesMax = 100 << 10

    /// The system allows an argument 128 KiB, too.
    static let lineBytesMax = 124 << 10

    static let placeholder = "{payload}"

    /// The command with the payload in it, as one word of the shell each time; nil where that would be too long.
    func line(payload: [UInt8]) -> String? {
        guard template.contains(Self.placeholder) else { return template }
        let quoted = Self.quoted(String(decoding: payload, as: UTF8.self))
        let parts = template.split(separator: Self.placeholder, omittingEmptySubsequences: false)
        let line = parts.joined(separator: quoted)
        return line.utf8.count <= Self.lineBytesMax ? line : nil
    }

    /// One word of the shell, whatever is in it.
    static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

extension ShellCommand {
    func launch(_ context: JobContext, environment: [String]) throws -> ChildLaunch {
        let granted = context.granted
        guard let line = line(payload: granted.payload) else {
            let message = "the payload is too long for {payload}; read it from the standard input"
            throw JobFailure(message, type: "PayloadTooLong", isRetryable: false)
        }
        var variables = [
            "STINT_JOB_ID=\(granted.id)", "STINT_JOB_NAME=\(granted.lane.name)", "STINT_QUEUE=\(granted.lane.queue)",
            "STINT_ATTEMPT=\(granted.attempt)", "STINT_LEASE=\(granted.lease)",
        ]
        if granted.payload.count <= Self.payloadBytesMax {
            variables.append("STINT_PAYLOAD=\(String(decoding: granted.payload, as: UTF8.self))")
        }
        return ChildLaunch(
            program: "/bin/sh",
            arguments: ["sh", "-c", line],
            environment: environment + variables,
            input: granted.payload
        )
    }

    /// What the end of the command says of the job: the result's bytes, or it throws.
    static func result(_ end: ChildEnd) throws -> [UInt8]? {
        if end.wasTerminated { throw CancellationError() }
        switch end.status {
        case .exited(0): return json(output: end.output, dropped: end.outputDropped)
        case .exited(let code):
            // EX_DATAERR of sysexits.h, and 100, as qmail and runit have it: trying again is pointless.
            let isRetryable = code != 65 && code != 100
            let message = message(end, otherwise: "the command ended with exit code \(code)")
            throw JobFailure(message, type: "ExitCode\(code)", isRetryable: isRetryable)
        case .signalled(let signal):
            let message = message(end, otherwise: "the command was killed by signal \(signal)")
            throw JobFailure(message, type: "Signal\(signal)")
        }
    }

    private static func message(_ end: ChildEnd, otherwise: String) -> String {
        // The tail may begin in the middle of a character.
        let tail = end.errorTail.drop { $0 & 0xC0 == 0x80 }
        var text = Substring(String(decoding: tail, as: UTF8.self))
        while text.last?.isWhitespace == true { text.removeLast() }
        return text.isEmpty ? otherwise : String(text)
    }

    /// The output itself where it is one JSON value, else as a JSON string; nothing for no output.
    static func json(output: [UInt8], dropped: Int) -> [UInt8]? {
        guard !output.isEmpty else { return nil }
        if dropped == 0 {
            let range = try? JSONCursor.read(output) { cursor throws(JSONProblem) in try cursor.skipValue() }
            if let range { return Array(output[range]) }  // what cannot be read is text
        }
        let limit = WorkerProtocolLimits.resultBytesMax
        var text = String(decoding: output, as: UTF8.self)
        if dropped > 0 { text = cut(text, to: limit / 2, dropped: dropped) }
        let whole = JSONWriter.write(capacity: text.utf8.count + 64) { $0.string(text) }
        guard whole.count > limit else { return whole }
        // Escapes make it longer, six times at most.
        let shortened = cut(text, to: limit / 8, dropped: dropped)
        return JSONWriter.write(capacity: limit) { $0.string(shortened) }
    }

    private static func cut(_ text: String, to bytesMax: Int, dropped: Int) -> String {
        let kept = text.truncated(bytesMax: bytesMax)
        return "\(kept)… (\(text.utf8.count - kept.utf8.count + dropped) more bytes)"
    }
}
