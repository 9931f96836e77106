// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Raises a signal at a time.
///
/// A timer that is set to an earlier time than needed is left: a turn too many does no harm, and timers are set
/// thousands of times a second.
struct WakeTimer {
    private let loop: any EventLoop
    private let signal: WakeSignal
    private var armed: (at: Int64, timer: Scheduled<Void>)?

    init(_ loop: any EventLoop, _ signal: WakeSignal) {
        self.loop = loop
        self.signal = signal
    }

    mutating func arm(_ time: Int64?, now: Int64) {
        guard let time else { return }
        if let armed {
            if armed.at > now, armed.at <= time { return }
            armed.timer.cancel()
        }
        let timer = loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, time)))) { [signal] in signal.raise() }
        armed = (time, timer)
    }
}
