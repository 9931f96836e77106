// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdTesting
import NIOCore
import StintStorage
import StintTestKit
import Testing

@testable import StintHTTP

@Suite("Text that is meant to hurt")
struct HostileTextTests {
    /// 33 bytes, as a cursor has, but fewer characters: in a process of its own, because it must not end one.
    @Test func aCursorOfOddCharactersDoesNotEndTheServer() async {
        await #expect(processExitsWith: .success) {
            guard PageCursor.decode("c" + String(repeating: "\u{1F600}", count: 8)) == nil else { return }
        }
    }

    @Test(arguments: ["../etc/passwd", "%2e%2e", "x%00y", String(repeating: "9", count: 5000)])
    func aStrangeIdIsUnknown(_ id: String) async throws {
        try await Listeners().run { api, _ in
            try await api.execute(uri: "/v1/jobs/\(id)", method: .get) { #expect($0.status == .notFound) }
        }
    }

    @Test func aRequestIdThatCouldBreakALogIsReplaced() async throws {
        let name = try #require(HTTPField.Name("X-Request-Id"))
        try await Listeners().run { api, _ in
            for given in ["with space", "ümlaut", String(repeating: "x", count: 129)] {
                try await api.execute(uri: "/healthz", method: .get, headers: [name: given]) { answer in
                    let used = answer.headers[name] ?? ""
                    #expect(used != given && used.count == 16)
                }
            }
            try await api.execute(uri: "/healthz", method: .get, headers: [name: "mine-1"]) { answer in
                #expect(answer.headers[name] == "mine-1")
            }
        }
    }

    @Test func aFailingRecordIs503AndIsLoggedWithItsRequestId() async throws {
        let listeners = try Listeners()
        try await listeners.run { api, _ in
            listeners.store.goAway()
            let name = try #require(HTTPField.Name("X-Request-Id"))
            try await api.execute(uri: "/v1/queues", method: .get, headers: [name: "r7"]) { answer in
                #expect(answer.status == .serviceUnavailable && answer.headers[.retryAfter] == "1")
            }
            try await api.execute(uri: "/readyz", method: .get) { #expect($0.status == .serviceUnavailable) }
            try await api.execute(uri: "/healthz", method: .get) { #expect($0.status == .ok) }
        }
        #expect(listeners.log.errors.contains { $0.metadata["request_id"] == "r7" })
    }

    @Test func aFaultSaysNothingOfTheStoredData() async throws {
        let listeners = try Listeners()
        try await listeners.run { api, _ in
            listeners.store.failReads(.corrupt("row 17 holds a secret"))
            try await api.execute(uri: "/v1/queues", method: .get) { answer in
                #expect(answer.status == .internalServerError)
                #expect(!String(buffer: answer.body).contains("secret"))
            }
        }
    }
}
