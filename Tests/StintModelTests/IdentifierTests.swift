// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintTestKit
import Testing

@Suite("Ids and lease tokens as text")
struct IdentifierTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func idsSurviveTheirTextAndOrderAsItDoes(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let ids = (0..<200).map { _ in UUIDv7(high: random.next(), low: random.next()) }
        for id in ids {
            #expect(UUIDv7(id.description) == id, "seed \(seed)")
            #expect(UUIDv7(id.description.uppercased()) == id, "seed \(seed)")
            #expect(id.description.count == 36 && id.description == id.description.lowercased(), "seed \(seed)")
        }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted(), "seed \(seed)")
        let byBytes = ids.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        #expect(byBytes == ids.sorted(), "seed \(seed)")
    }

    @Test func anIdIsWrittenAsItsBytes() {
        let id = UUIDv7(high: 0x0198_f4c2_7a10_7c3e, low: 0x9b1d_5f2a_6e8c_4d01)
        #expect(id.description == "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01")
        #expect(id.bytes == [1, 0x98, 0xf4, 0xc2, 0x7a, 0x10, 0x7c, 0x3e, 0x9b, 0x1d, 0x5f, 0x2a, 0x6e, 0x8c, 0x4d, 1])
    }

    @Test(arguments: [
        "", "0198f4c2", "0198f4c27a107c3e9b1d5f2a6e8c4d01", "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d0",
        "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d011", "0198f4c2+7a10-7c3e-9b1d-5f2a6e8c4d01",
        "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d0g", "0198f4c27-a10-7c3e-9b1d-5f2a6e8c4d01",
        "{198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01", " 198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01",
        "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4dé", "------------------------------------",
    ])
    func malformedIdsAreRefused(_ text: String) {
        #expect(UUIDv7(text) == nil)
    }

    @Test func theLowerBoundOfAnInstantStandsBetweenEarlierAndLaterIds() {
        let bound = UUIDv7.lowerBound(at: Timestamp(milliseconds: 1000))
        #expect(UUIDv7(high: 999 << 16 | 0x7fff, low: .max) < bound)
        #expect(bound <= UUIDv7(high: 1000 << 16 | 0x7000, low: 0))
        #expect(UUIDv7.lowerBound(at: Timestamp(milliseconds: -5)) == UUIDv7(high: 0, low: 0))
        #expect(UUIDv7.lowerBound(at: Timestamp(milliseconds: .max)).high == 0xffff_ffff_ffff_0000)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func leaseTokensSurviveTheirText(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let id = JobID(high: random.next(), low: random.next())
            let token = LeaseToken(jobID: id, attempt: random.int(1...9_999_999_999), nonce: random.next())
            #expect(LeaseToken(token.description) == token, "seed \(seed)")
        }
    }

    @Test func aLeaseTokenIsWrittenAsIdAttemptAndNonce() {
        let token = LeaseToken(jobID: JobID(high: 1, low: 2), attempt: 7, nonce: 0xabc)
        #expect(token.description == "00000000000000010000000000000002-7-0000000000000abc")
    }

    @Test(arguments: [
        "", "-", "--", "0000000000000001000000000000000-7-0000000000000abc",
        "00000000000000010000000000000002-0-0000000000000abc",
        "00000000000000010000000000000002--0000000000000abc",
        "00000000000000010000000000000002--7-0000000000000abc",
        "00000000000000010000000000000002-+7-0000000000000abc",
        "00000000000000010000000000000002-7x-0000000000000abc",
        "00000000000000010000000000000002-12345678901-0000000000000abc",
        "00000000000000010000000000000002-7-000000000000abc",
        "00000000000000010000000000000002-7-0000000000000abg",
        "00000000000000010000000000000002-7-0000000000000abc-",
        "0000000000000001000000000000000g-7-0000000000000abc", "0198f4c2-7a10-7c3e-9b1d-5f2a6e8c4d01",
    ])
    func malformedLeaseTokensAreRefused(_ text: String) {
        #expect(LeaseToken(text) == nil)
    }
}
