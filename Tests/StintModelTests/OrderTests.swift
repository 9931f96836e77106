// SPDX-License-Identifier: Apache-2.0

import StintModel
import StintTestKit
import Testing

@Suite("Order, time and capabilities")
struct OrderTests {
    private func order(_ seconds: Int64, _ priority: Int, id: UInt64 = 0) -> ServingOrder {
        ServingOrder(
            runAt: Timestamp(milliseconds: seconds * 1000),
            priority: priority,
            id: JobID(high: 0, low: id)
        )
    }

    @Test func oneStepOfPriorityIsAMinuteOfHeadStart() {
        #expect(order(60, 1).key == order(0, 0).key)
        #expect(order(59, 1) < order(0, 0))
        #expect(order(0, 0, id: 1) < order(61, 1, id: 0))
        #expect(order(0, -1).key == order(60, 0).key)
    }

    @Test func tiesAreServedById() {
        #expect(order(0, 0, id: 1) < order(0, 0, id: 2))
        #expect(order(60, 1, id: 1) < order(0, 0, id: 2))
        #expect(!(order(0, 0, id: 2) < order(0, 0, id: 2)))
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func theServingOrderIsTotal(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let orders = (0..<200).map { _ in
            order(Int64(random.int(0...600)), random.int(-5...5), id: UInt64(random.int(0...1000)))
        }
        for (one, other) in zip(orders, orders.shuffled(using: &random)) {
            let relations = [one < other, other < one, one == other].count { $0 }
            #expect(relations == 1, "seed \(seed)")
        }
    }

    @Test func lanesSortByQueueThenName() {
        let lanes = [Lane(queue: "b", name: "a"), Lane(queue: "a", name: "z"), Lane(queue: "a", name: "b")]
        #expect(lanes.sorted().map { "\($0.queue)/\($0.name)" } == ["a/b", "a/z", "b/a"])
    }

    @Test func timeSaturatesInsteadOfOverflowing() {
        let late = Timestamp(milliseconds: .max - 5)
        #expect((late + Milliseconds(10)).milliseconds == .max)
        #expect((Timestamp(milliseconds: .min + 5) - Milliseconds(10)).milliseconds == .min)
        #expect(Timestamp(milliseconds: 1500).since(Timestamp(milliseconds: 500)) == Milliseconds(1000))
    }

    @Test func secondsBecomeTheNearestMillisecond() {
        #expect(Milliseconds.seconds(0.0004) == Milliseconds(0))
        #expect(Milliseconds.seconds(0.0006) == Milliseconds(1))
        #expect(Milliseconds.seconds(1.5).seconds == 1.5)
        #expect(Milliseconds.seconds(1e300).count == .max && Milliseconds.seconds(-1e300).count == .min)
        #expect(Milliseconds.seconds(.infinity).count == .max)
    }

    @Test func aWorkerServesTheNamesItKnowsOnItsQueues() {
        let named = Capabilities(queues: ["a", "b"], jobNames: ["x"])
        #expect(named.serves(Lane(queue: "b", name: "x")))
        #expect(!named.serves(Lane(queue: "b", name: "y")) && !named.serves(Lane(queue: "c", name: "x")))
        let all = Capabilities(queues: ["a"], jobNames: ["*"])
        #expect(all.serves(Lane(queue: "a", name: "y")) && !all.serves(Lane(queue: "b", name: "y")))
    }

    @Test func aSessionIsShownByWhatKeepsItFromWork() {
        var session = WorkerSession(
            id: WorkerID(high: 0, low: 1),
            name: "w",
            host: "h",
            pid: nil,
            sdk: "",
            capabilities: Capabilities(
                queues: ["a"],
                jobNames: ["*"]
            ),
            concurrency: 2,
            labels: [],
            startedAt: ManualTime.epoch,
            expiresAt: ManualTime.epoch
        )
        #expect(session.state == .available)
        session.running = 2
        #expect(session.state == .busy)
        session.isDraining = true
        #expect(session.state == .draining)
        session.endedAt = ManualTime.epoch
        #expect(session.state == .unavailable)
    }
}
