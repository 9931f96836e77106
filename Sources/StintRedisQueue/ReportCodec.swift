// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// A ``ReportRequest`` as bytes: a version, then everything that is in it.
enum ReportCodec {
    private static let version: UInt8 = 1
    /// A report's bytes at least: token, random bits, kind of ending.
    private static let reportBytesMin = 41

    private enum Kind {
        static let completed: UInt8 = 1
        static let failed: UInt8 = 2
        static let snoozed: UInt8 = 3
        static let released: UInt8 = 4
        static let cancelled: UInt8 = 5
        static let timedOut: UInt8 = 6
        static let lost: UInt8 = 7
    }

    static func encode(_ request: ReportRequest) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(version)
        writer.write(request.session)
        writer.write(UInt32(clamping: request.reports.count))
        for report in request.reports {
            writer.write(report.token)
            writer.write(report.random)
            write(report.ending, to: &writer)
        }
        return writer.bytes
    }

    /// Nil for what cannot be read, down to the last byte.
    static func decode(_ bytes: [UInt8]) -> ReportRequest? {
        var reader = ByteReader(bytes)
        do {
            guard try reader.number(UInt8.self) == version else { return nil }
            let session = try reader.id()
            var reports: [ReportRequest.Report] = []
            for _ in 0..<(try reader.count(bytesEach: reportBytesMin)) {
                let token = try reader.token()
                let random: UInt64 = try reader.number()
                reports.append(ReportRequest.Report(token: token, ending: try ending(&reader), random: random))
            }
            try reader.expectEnd()
            return ReportRequest(session: session, reports: reports)
        } catch {
            return nil
        }
    }

    private static func write(_ ending: Ending, to writer: inout ByteWriter) {
        switch ending {
        case .completed(let result):
            writer.write(Kind.completed)
            writer.write(result != nil)
            if let result { writer.write(result) }
        case .failed(let error, let isRetryable, let retryAfter):
            writer.write(Kind.failed)
            writer.write(error.type)
            writer.write(error.message)
            writer.write(error.stack)
            writer.write(isRetryable)
            writer.write(retryAfter != nil)
            if let retryAfter { writer.write(retryAfter.count) }
        case .snoozed(let delay):
            writer.write(Kind.snoozed)
            writer.write(delay.count)
        case .released: writer.write(Kind.released)
        case .cancelled: writer.write(Kind.cancelled)
        case .timedOut: writer.write(Kind.timedOut)
        case .lost: writer.write(Kind.lost)
        }
    }

    private static func ending(_ reader: inout ByteReader) throws(UnreadableBytes) -> Ending {
        switch try reader.number(UInt8.self) {
        case Kind.completed:
            return .completed(result: try reader.flag() ? try reader.string() : nil)
        case Kind.failed:
            let error = JobError(type: try reader.text(), message: try reader.text(), stack: try reader.text())
            let isRetryable = try reader.flag()
            let retryAfter = try reader.flag() ? Milliseconds(try reader.number()) : nil
            return .failed(error: error, isRetryable: isRetryable, retryAfter: retryAfter)
        case Kind.snoozed: return .snoozed(Milliseconds(try reader.number()))
        case Kind.released: return .released
        case Kind.cancelled: return .cancelled
        case Kind.timedOut: return .timedOut
        case Kind.lost: return .lost
        default: throw UnreadableBytes()
        }
    }
}
