// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A thread for calls that block, which Swift's shared threads must never do.
enum OwnThread {
    private final class Body {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }

    private static let stackBytes = 256 << 10

    /// False where the system has no thread left.
    ///
    /// Signals are blocked in the thread: those of the process go to others, and a broken pipe is an error of the write.
    static func start(_ run: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, stackBytes)
        let body = Unmanaged.passRetained(Body(run))
        #if canImport(Darwin)
        var thread: pthread_t?
        #else
        var thread = pthread_t()
        #endif
        let code = pthread_create(&thread, &attributes, { OwnThread.main($0) }, body.toOpaque())
        guard code == 0 else {
            body.release()
            return false
        }
        return true
    }

    #if canImport(Darwin)
    private static func main(_ body: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        blockSignals()
        Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
        return nil
    }
    #else
    private static func main(_ body: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let body else { return nil }
        blockSignals()
        Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
        return nil
    }
    #endif

    private static func blockSignals() {
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
    }
}
