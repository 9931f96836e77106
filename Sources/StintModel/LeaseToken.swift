// SPDX-License-Identifier: Apache-2.0

/// The right of one worker session to run one attempt of one job.
///
/// The attempt number is the fence: it rises with every lease. The nonce makes a token unguessable and keeps two grants
/// apart even if a counter were ever set back.
///
/// The text form is opaque to workers: 32 digits of job id, a dash, the attempt, a dash, 16 digits of nonce.
package struct LeaseToken: Hashable, Sendable {
    package var jobID: JobID
    package var attempt: Int
    package var nonce: UInt64

    package init(jobID: JobID, attempt: Int, nonce: UInt64) {
        self.jobID = jobID
        self.attempt = attempt
        self.nonce = nonce
    }
}

extension LeaseToken: LosslessStringConvertible {
    package init?(_ text: String) {
        let parts = Array(text.utf8).split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 32, parts[2].count == 16, (1...10).contains(parts[1].count),
            let high = Self.hexadecimal(parts[0].prefix(16)), let low = Self.hexadecimal(parts[0].suffix(16)),
            let nonce = Self.hexadecimal(parts[2]),
            parts[1].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let attempt = Int(String(decoding: parts[1], as: UTF8.self)), attempt > 0
        else { return nil }
        self.init(jobID: JobID(high: high, low: low), attempt: attempt, nonce: nonce)
    }

    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(56)
        Hex.append(jobID.high, width: 16, to: &text)
        Hex.append(jobID.low, width: 16, to: &text)
        text.append(UInt8(ascii: "-"))
        text.append(contentsOf: String(attempt).utf8)
        text.append(UInt8(ascii: "-"))
        Hex.append(nonce, width: 16, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for byte in digits {
            guard let digit = Hex.value(of: byte) else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}
