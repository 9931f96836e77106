// SPDX-License-Identifier: Apache-2.0

import StintCore
import StintModel
import StintTestKit
import Testing

@Suite("The id generator")
struct UUIDv7GeneratorTests {
    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func twentyThousandIdsOfOneMillisecondRiseStrictly(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var generator = UUIDv7Generator()
        let ids = (0..<20_000).map { _ in generator.next(at: ManualTime.epoch, random: random.next()) }
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed)")
    }

    @Test func idsRiseWhenTheClockIsSetBack() {
        var generator = UUIDv7Generator()
        let before = generator.next(at: ManualTime.epoch, random: .max)
        let after = generator.next(at: ManualTime.epoch - Milliseconds(3_600_000), random: 0)
        #expect(before < after)
        #expect(after.high >> 16 == UInt64(ManualTime.epoch.milliseconds))
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func idsRiseWhateverTheClockDoes(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var generator = UUIDv7Generator()
        var last = UUIDv7(high: 0, low: 0)
        for _ in 0..<5000 {
            let now = ManualTime.epoch + Milliseconds(Int64(random.int(-50...50)))
            let id = generator.next(at: now, random: random.next())
            #expect(last < id, "seed \(seed)")
            last = id
        }
    }

    @Test(arguments: [0, .max, 0x0123_4567_89ab_cdef] as [UInt64])
    func versionAndVariantStandWhereTheStandardSays(random: UInt64) {
        var generator = UUIDv7Generator()
        for _ in 0..<10_000 {
            let id = generator.next(at: ManualTime.epoch, random: random)
            #expect(id.high >> 12 & 0xF == 7)
            #expect(id.low >> 62 == 0b10)
        }
    }

    @Test func theFirstFortyEightBitsAreTheTime() {
        var generator = UUIDv7Generator()
        let id = generator.next(at: ManualTime.epoch, random: 42)
        #expect(id.high >> 16 == UInt64(ManualTime.epoch.milliseconds))
        #expect(UUIDv7.lowerBound(at: ManualTime.epoch) < id)
    }

    @Test func aTimeBeforeTheEpochCountsAsTheEpoch() {
        var generator = UUIDv7Generator()
        #expect(generator.next(at: Timestamp(milliseconds: -1), random: 0).high >> 16 == 0)
    }
}
