// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A temporary file that is gone when its use ends, however it ends.
///
/// Its calls block.
enum SampleFile {
    /// Writes chunks, then reads them back; `goOn` hears how far it is and may end it.
    static func writeAndRead(
        chunks: Int,
        chunkBytes: Int,
        goOn: (Double) -> Bool
    ) throws -> (bytes: Int, isSame: Bool) {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(directory)/stint-sample-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        guard descriptor >= 0 else {
            throw JobFailure("no temporary file: \(String(cString: strerror(errno)))", type: "FileFailure")
        }
        // Without a name it goes with its descriptor, even if the process is killed.
        unlink(path)
        defer { close(descriptor) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        for index in 0..<chunks {
            fill(&chunk, index)
            try all(chunk.count) { done in
                chunk.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
            }
            guard goOn(Double(index) / Double(2 * chunks)) else { return (index * chunkBytes, true) }
        }
        lseek(descriptor, 0, SEEK_SET)
        var found = chunk
        var isSame = true
        for index in 0..<chunks {
            fill(&chunk, index)
            try all(found.count) { done in
                found.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
            }
            isSame = isSame && found == chunk
            guard goOn(Double(chunks + index) / Double(2 * chunks)) else { break }
        }
        return (chunks * chunkBytes, isSame)
    }

    private static func fill(_ chunk: inout [UInt8], _ index: Int) {
        let seed = UInt8(truncatingIfNeeded: index &* 31 &+ 7)
        for position in chunk.indices { chunk[position] = seed ^ UInt8(truncatingIfNeeded: position) }
    }

    /// Repeats a call that may do less than it is asked to.
    private static func all(_ count: Int, _ call: (Int) -> Int) throws {
        var done = 0
        while done < count {
            let step = call(done)
            if step > 0 {
                done += step
            } else if step == 0 || errno != EINTR {
                throw JobFailure(
                    "a temporary file cannot be used: \(String(cString: strerror(errno)))",
                    type: "FileFailure"
                )
            }
        }
    }
}
