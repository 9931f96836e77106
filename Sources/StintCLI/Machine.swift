// SPDX-License-Identifier: Apache-2.0

import StintModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What the operating system tells.
enum Machine {
    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Who gives the command, such as `anna@host-1`.
    static var person: String {
        var host = [CChar](repeating: 0, count: 256)
        // One place is left at zero: a longer name is cut without an end.
        let isNamed = gethostname(&host, host.count - 1) == 0
        let hostName = isNamed ? String(decoding: host.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self) : "?"
        let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(geteuid())"
        return String(DisplayText.safe("\(user)@\(hostName)").prefix(128))
    }

    /// Processors this process may use.
    static var cores: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    /// Replaces the file.
    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else {
            throw CommandFailure(.failed, "cannot write \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
            throw CommandFailure(.failed, "cannot write all of \(path)")
        }
    }

    /// How many files and connections this process may have open at once.
    static func openFilesMax() -> Int? {
        var limit = rlimit()
        #if canImport(Glibc)
        let answer = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #else
        let answer = getrlimit(RLIMIT_NOFILE, &limit)
        #endif
        return answer == 0 ? Int(clamping: limit.rlim_cur) : nil
    }
}

/// An open file, such as one of the three standard ones.
struct Descriptor {
    private let number: Int32

    static let input = Descriptor(number: 0)
    static let output = Descriptor(number: 1)
    static let error = Descriptor(number: 2)

    var isTerminal: Bool { isatty(number) == 1 }

    var terminalWidth: Int {
        var size = winsize()
        if ioctl(number, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return Machine.environment("COLUMNS").flatMap { Int($0) } ?? 80
    }

    /// Unbuffered: what is written stands in the order in which it was made, and nothing is lost at exit.
    func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, !rest.isEmpty {
                let count = systemWrite(number, start, rest.count)
                if count > 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR {
                    return  // the reader has gone; there is nobody to tell
                }
            }
        }
    }

    func readAll() throws -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(number, &chunk, chunk.count)
            if count > 0 {
                all.append(contentsOf: chunk[..<count])
            } else if count == 0 {
                return all
            } else if errno != EINTR {
                throw CommandFailure(.failed, "the input cannot be read: system error \(errno)")
            }
        }
    }
}

extension Descriptor {
    /// A whole file.
    static func contents(of path: String) throws -> [UInt8] {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw CommandFailure(.failed, "\(path) cannot be read: system error \(errno)") }
        defer { close(number) }
        return try Descriptor(number: number).readAll()
    }
}

/// The function of the C library, whose name is taken inside ``Descriptor``.
private func systemWrite(_ descriptor: Int32, _ start: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, start, count)
}
