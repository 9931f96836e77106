// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A TCP proxy that can lose an answer: the request goes through, takes effect, and the connection breaks before the
/// caller hears of it.
package final class CuttingProxy: Sendable {
    package let port: Int
    private let target: Int
    private let listener: Int32
    private let state = Mutex(State())

    private struct State {
        var isArmed = false
        /// Asked to cut, and data went to the server since.
        var cuts = 0
        var descriptors: Set<Int32> = []
        var isStopped = false
    }

    /// - Parameter target: A port of 127.0.0.1.
    package init(to target: Int) throws {
        self.target = target
        port = try freePort()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var isOn: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<Int32>.size))
        let isBound = LoopbackAddress.with(port) { bind(listener, $0, $1) == 0 }
        guard isBound, listen(listener, 64) == 0 else { throw PrivateServerError("the proxy cannot listen") }
        start { $0.accept() }
    }

    /// From now on the next answer of the server is lost with its connection.
    package func loseNextAnswer() {
        state.withLock { $0.isArmed = true }
    }

    /// How many answers were lost.
    package var lostAnswers: Int { state.withLock { $0.cuts } }

    package func stop() {
        let descriptors = state.withLock { state in
            state.isStopped = true
            return state.descriptors
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0, !state.withLock({ $0.isStopped }) else { break }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard LoopbackAddress.with(target, { connect(server, $0, $1) == 0 }) else {
                close(client)
                close(server)
                continue
            }
            state.withLock { $0.descriptors.formUnion([client, server]) }
            start { $0.pump(from: client, to: server, isAnswer: false) }
            start { $0.pump(from: server, to: client, isAnswer: true) }
        }
        close(listener)
    }

    private func pump(from source: Int32, to sink: Int32, isAnswer: Bool) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = recv(source, &buffer, buffer.count, 0), count > 0 {
            if isAnswer, loses() { break }
            guard sendAll(buffer[..<count], to: sink) else { break }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(sink, Int32(SHUT_RDWR))
    }

    private func loses() -> Bool {
        state.withLock { state in
            guard state.isArmed else { return false }
            state.isArmed = false
            state.cuts += 1
            return true
        }
    }

    private func sendAll(_ bytes: ArraySlice<UInt8>, to sink: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(sink, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// A thread of its own: the pumps block.
    private func start(_ work: @escaping @Sendable (CuttingProxy) -> Void) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Work { work(self) })
        let result = pthread_create(
            &thread,
            nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().body()
                return nil
            },
            box.toOpaque()
        )
        if result == 0 { pthread_detach(thread) } else { box.release() }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) {
            self.body = body
        }
    }
}
