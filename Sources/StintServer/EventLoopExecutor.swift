// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// Lets Swift's tasks run on the threads that do the network's input and output.
package enum EventLoopExecutor {
    /// Saves a switch between threads at every hop from a socket to a handler and back, which is most of what a small
    /// request costs (measured: docs/performance.md).
    ///
    /// To be called once, from the main thread, before the first task.
    ///
    /// Nothing here may block those threads: the record has a thread of its own, and so have a worker's heartbeats.
    package static func install() {
        NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor()
    }
}
