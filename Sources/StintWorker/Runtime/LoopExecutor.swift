// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Runs tasks on an event loop's thread: what a worker says to its coordinator must not wait for the threads that handlers use.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) {
        self.loop = loop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
