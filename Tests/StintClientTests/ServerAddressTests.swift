// SPDX-License-Identifier: Apache-2.0

import StintClient
import Testing

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"), ("http://localhost", "http://localhost"),
        ("https://example.com/stint//", "https://example.com/stint"), ("HTTP://Host:1/", "http://Host:1"),
        ("http://[::1]:8000", "http://[::1]:8000"), ("http://[::1]", "http://[::1]"),
    ])
    func anAddressIsTaken(text: String, canonical: String) throws {
        #expect(try ServerAddress(text).text == canonical)
    }

    @Test(arguments: [
        "", "127.0.0.1:8000", "ftp://host", "http://", "http://:8000", "http://host:", "http://host:0",
        "http://host:65536",
        "http://host:+80", "http://host:8000x", "http://user:secret@host", "http://host?x=1", "http://host#f",
        "http://ho st",
        "http://hôst", "http://[::1", "http://[]:80", "http://host\r\nX: y", "http://host\\x",
    ])
    func anotherTextIsRefusedWithoutBeingRepeated(text: String) {
        do throws(ClientError) {
            _ = try ServerAddress(text)
            Issue.record("taken")
        } catch {
            #expect(error.code == .callInvalid)
            #expect(!error.description.contains("secret"))
        }
    }

    @Test func valuesAreEncoded() throws {
        let address = try ServerAddress("http://host/base/")
        #expect(address.appending(path: "/v1/jobs", query: []) == "http://host/base/v1/jobs")
        #expect(
            address.appending(path: "/v1/jobs", query: [("tag", "a b&c=é/+"), ("limit", "1")])
                == "http://host/base/v1/jobs?tag=a%20b%26c%3D%C3%A9%2F%2B&limit=1"
        )
    }
}
