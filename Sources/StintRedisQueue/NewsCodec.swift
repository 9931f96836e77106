// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintStorage

/// ``News`` as bytes: a version, the sender, then each piece of news as kind, length, body.
///
/// A reader passes over kinds it does not know, so that processes of different versions understand each other; a message of another
/// version it leaves alone.
enum NewsCodec {
    private static let version: UInt8 = 1

    private enum Kind {
        static let available: UInt8 = 1
        static let scheduled: UInt8 = 2
        static let notices: UInt8 = 3
        static let ended: UInt8 = 4
        static let counted: UInt8 = 5
    }

    private enum NoticeKind {
        static let sessionEnded: UInt8 = 1
        static let sessionDraining: UInt8 = 2
        static let cancelRequested: UInt8 = 3
        static let queuePaused: UInt8 = 4
        static let queueResumed: UInt8 = 5
    }

    static func encode(_ news: [News], sender: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(version)
        writer.write(sender)
        for piece in news { write(piece, to: &writer) }
        return writer.bytes
    }

    /// Nil for what cannot be read.
    static func decode(_ bytes: [UInt8]) -> (sender: UInt64, news: [News])? {
        var reader = ByteReader(bytes)
        do {
            guard try reader.number(UInt8.self) == version else { return nil }
            let sender: UInt64 = try reader.number()
            var news: [News] = []
            while !reader.isAtEnd {
                let kind: UInt8 = try reader.number()
                if let piece = try read(kind, ByteReader(try reader.string())) { news.append(piece) }
            }
            return (sender, news)
        } catch {
            return nil
        }
    }

    private static func write(_ piece: News, to writer: inout ByteWriter) {
        switch piece {
        case .available(let lanes):
            writer.write(Kind.available)
            writer.writeFramed { body in
                for lane in lanes { body.write(lane) }
            }
        case .scheduled(let due):
            writer.write(Kind.scheduled)
            writer.writeFramed { $0.write(due.milliseconds) }
        case .notices(let notices):
            writer.write(Kind.notices)
            writer.writeFramed { body in
                for notice in notices { write(notice, to: &body) }
            }
        case .ended(let ids):
            writer.write(Kind.ended)
            writer.writeFramed { body in
                for id in ids { body.write(id) }
            }
        case .counted(let counts):
            writer.write(Kind.counted)
            writer.writeFramed { body in
                for count in [counts.submitted, counts.completed, counts.failed] { body.write(UInt32(clamping: count)) }
            }
        }
    }

    private static func read(_ kind: UInt8, _ body: ByteReader) throws(UnreadableBytes) -> News? {
        var body = body
        switch kind {
        case Kind.available:
            var lanes: [Lane] = []
            while !body.isAtEnd { lanes.append(try body.lane()) }
            return .available(lanes)
        case Kind.scheduled:
            return .scheduled(Timestamp(milliseconds: try body.number()))
        case Kind.notices:
            var notices: [RecordNotice] = []
            while !body.isAtEnd {
                let kind: UInt8 = try body.number()
                if let notice = try readNotice(kind, ByteReader(try body.string())) { notices.append(notice) }
            }
            return .notices(notices)
        case Kind.ended:
            var ids: [JobID] = []
            while !body.isAtEnd { ids.append(try body.id()) }
            return .ended(ids)
        case Kind.counted:
            let submitted: UInt32 = try body.number()
            let completed: UInt32 = try body.number()
            let failed: UInt32 = try body.number()
            return .counted(JobCounts(submitted: Int(submitted), completed: Int(completed), failed: Int(failed)))
        default:
            return nil
        }
    }

    private static func write(_ notice: RecordNotice, to writer: inout ByteWriter) {
        switch notice {
        case .sessionEnded(let id, let wasLost):
            writer.write(NoticeKind.sessionEnded)
            writer.writeFramed { body in
                body.write(id)
                body.write(wasLost)
            }
        case .sessionDraining(let id):
            writer.write(NoticeKind.sessionDraining)
            writer.writeFramed { $0.write(id) }
        case .cancelRequested(let id, let token):
            writer.write(NoticeKind.cancelRequested)
            writer.writeFramed { body in
                body.write(id)
                body.write(token)
            }
        case .queuePaused(let queue):
            writer.write(NoticeKind.queuePaused)
            writer.writeFramed { $0.write(queue) }
        case .queueResumed(let queue):
            writer.write(NoticeKind.queueResumed)
            writer.writeFramed { $0.write(queue) }
        }
    }

    private static func readNotice(_ kind: UInt8, _ body: ByteReader) throws(UnreadableBytes) -> RecordNotice? {
        var body = body
        switch kind {
        case NoticeKind.sessionEnded: return .sessionEnded(try body.id(), wasLost: try body.flag())
        case NoticeKind.sessionDraining: return .sessionDraining(try body.id())
        case NoticeKind.cancelRequested: return .cancelRequested(try body.id(), try body.token())
        case NoticeKind.queuePaused: return .queuePaused(try body.text())
        case NoticeKind.queueResumed: return .queueResumed(try body.text())
        default: return nil
        }
    }
}
