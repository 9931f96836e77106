// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Keeps a second process out of a data directory.
///
/// The kernel lets go of the lock when the process ends, however it ends.
final class DirectoryLock: Sendable {
    private let descriptor: Int32

    /// - Throws: ``SQLiteStoreError`` when another process holds it or the directory cannot be used.
    init(directory: String) throws(SQLiteStoreError) {
        let path = directory + "/stint.lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SQLiteStoreError("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            throw SQLiteStoreError(
                "the data directory \(directory) is in use by another stint process\(holder); "
                    + "stop that one first, or choose another directory with STINT_DATA_DIR"
            )
        }
        let text = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    /// Lets others in, once the file is closed.
    func unlock() {
        flock(descriptor, LOCK_UN)
    }

    deinit {
        close(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return "" }
        let pid = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n").first ?? ""
        return pid.isEmpty ? "" : " (pid \(pid))"
    }
}

/// Why the store could not be opened; one sentence for a person.
package struct SQLiteStoreError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
