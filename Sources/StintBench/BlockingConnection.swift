// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One keep-alive HTTP/1.1 connection on a blocking socket, for a load generator that must cost as little as it can:
/// one write and about one read per request.
///
/// Used by one thread.
final class BlockingConnection {
    private let socket: Int32
    private let host: String
    private var received: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 256 << 10)

    init(_ address: ServerEndpoint) throws {
        host = "\(address.host):\(address.port)"
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = in_port_t(address.port).bigEndian
        inet_pton(AF_INET, address.host, &target.sin_addr)
        let result = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard socket >= 0, result == 0 else {
            throw BenchError("cannot connect to \(host): \(String(cString: strerror(errno)))")
        }
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit {
        close(socket)
    }

    /// Sends a request and gives the answer's body.
    ///
    /// - Throws: ``BenchError`` for a broken connection or any status but 2xx.
    func send(_ method: String, _ path: String, _ body: [UInt8] = []) throws -> [UInt8] {
        var request = Array("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
        request += body
        try write(request)
        return try readAnswer(to: "\(method) \(path)")
    }

    private func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                return Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw BenchError("the server closed the connection") }
            sent += count
        }
    }

    private func readAnswer(to request: String) throws -> [UInt8] {
        var bodyStart: Int?
        var bodyLength = 0
        while true {
            if bodyStart == nil, let end = Self.headEnd(received) {
                bodyStart = end
                bodyLength = Self.contentLength(received[..<end])
            }
            if let start = bodyStart, received.count >= start + bodyLength {
                let status = String(decoding: received.prefix(12).suffix(3), as: UTF8.self)
                let body = Array(received[start..<start + bodyLength])
                received.removeFirst(start + bodyLength)
                guard status.hasPrefix("2") else {
                    throw BenchError(
                        "\(request) was answered \(status): \(String(decoding: body.prefix(300), as: UTF8.self))"
                    )
                }
                return body
            }
            let count = recv(socket, &chunk, chunk.count, 0)
            guard count > 0 else { throw BenchError("the server closed the connection") }
            received.append(contentsOf: chunk[..<count])
        }
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4)
        where bytes[index] == 13 && bytes[index + 1] == 10 && bytes[index + 2] == 13 && bytes[index + 3] == 10 {
            return index + 4
        }
        return nil
    }

    private static func contentLength(_ head: ArraySlice<UInt8>) -> Int {
        let text = String(decoding: head, as: UTF8.self).lowercased()
        guard let range = text.firstRange(of: "content-length:") else { return 0 }
        return Int(text[range.upperBound...].prefix { $0 != "\r\n" }.drop { $0 == " " }) ?? 0
    }
}

/// Where a server listens: an IPv4 address.
struct ServerEndpoint: Sendable {
    var host: String
    var port: Int

    /// From `http://127.0.0.1:8000`.
    init(_ url: String) throws {
        let parts = url.replacing("http://", with: "").split(separator: "/").first?.split(separator: ":") ?? []
        guard parts.count == 2, let port = Int(parts[1]) else {
            throw BenchError("\(url) is not of the form http://127.0.0.1:8000")
        }
        host = parts[0] == "localhost" ? "127.0.0.1" : String(parts[0])
        self.port = port
    }
}

/// Why a measurement could not be made.
package struct BenchError: Error, CustomStringConvertible, Sendable {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
