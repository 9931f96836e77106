// SPDX-License-Identifier: Apache-2.0

import StintModel

/// Which of two belts is in use, and what either has missed.
struct FallbackMachine {
    private let probeInterval: Int64
    private(set) var isPrimaryUp = true
    private var nextProbe: Int64 = 0
    private var isProbing = false
    /// Lanes that were reset on the fallback in this outage.
    private(set) var known: Set<Lane> = []
    /// Lanes of which the primary may have missed something.
    private var touched: Set<Lane> = []
    /// Lanes that the fallback asked for, and was not answered yet.
    private var askedByFallback: Set<Lane> = []

    /// - Parameter probeInterval: Nanoseconds.
    init(probeInterval: Int64) {
        self.probeInterval = probeInterval
    }

    enum Turn: Hashable {
        case primary
        /// After these lanes were reset on it.
        case fallback(resetting: [Lane])
        /// Reset these lanes on the primary, then tell how it went and ask for a turn again.
        case probe(resetting: [Lane])
    }

    /// Whose turn a call is.
    mutating func next(now: Int64, touching lanes: Set<Lane>) -> Turn {
        if isPrimaryUp { return .primary }
        if !isProbing, now >= nextProbe {
            isProbing = true
            nextProbe = now + probeInterval
            return .probe(resetting: touched.sorted())
        }
        return .fallback(resetting: touch(lanes))
    }

    /// The primary was found to be away.
    ///
    /// - Returns: Whether that is news, and the lanes to reset on the fallback.
    mutating func wentAway(now: Int64, touching lanes: Set<Lane>) -> (isNew: Bool, resetting: [Lane]) {
        let isNew = isPrimaryUp
        if isNew {
            isPrimaryUp = false
            nextProbe = now + probeInterval
            known = []
            askedByFallback = []
        }
        return (isNew, touch(lanes))
    }

    private mutating func touch(_ lanes: Set<Lane>) -> [Lane] {
        touched.formUnion(lanes)
        let unknown = lanes.subtracting(known)
        known.formUnion(unknown)
        return unknown.sorted()
    }

    mutating func probeFailed() {
        isProbing = false
    }

    enum Return: Hashable {
        /// More was touched meanwhile.
        case resetMore([Lane])
        /// The primary is in use again; the fallback holds these lanes.
        case isBack(known: [Lane])
    }

    mutating func probeSucceeded(afterResetting lanes: [Lane]) -> Return {
        touched.subtract(lanes)
        guard touched.isEmpty else { return .resetMore(touched.sorted()) }
        isPrimaryUp = true
        isProbing = false
        askedByFallback = []
        defer { known = [] }
        return .isBack(known: known.sorted())
    }

    mutating func fallbackAsked(for lanes: [Lane]) {
        if !isPrimaryUp { askedByFallback.formUnion(lanes) }
    }

    enum Route: Hashable {
        case primary
        case fallback
        case nobody
    }

    /// Who gets the refill of a lane.
    mutating func route(_ lane: Lane) -> Route {
        if isPrimaryUp { return .primary }
        return askedByFallback.remove(lane) != nil ? .fallback : .nobody
    }
}
