// SPDX-License-Identifier: Apache-2.0

import Glibc
import ServiceLifecycle
import UnixSignals

/// The first signal stops in order; a second one ends the process at once.
///
/// Leases and the flushed record make that safe.
package struct SecondSignal: Service {
    package init() {}

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var count = 0
            for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                count += 1
                if count > 1 { _exit(signal == .sigint ? 130 : 143) }
            }
        }
    }
}
