// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The directory of an embedded record.
package enum DataDirectoryChecks {
    /// Less is warned of: a full disk stops submits.
    private static let freeBytesMin: UInt64 = 1 << 30

    package static func run(_ directory: String) -> [DoctorCheck] {
        var status = stat()
        guard stat(directory, &status) == 0 else {
            return [DoctorCheck("data directory", "\(directory) (not there yet; `stint serve` makes it)")]
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return [DoctorCheck("data directory", directory, warning: "it is no directory: name another one")]
        }
        return [access(to: directory, status)] + space(directory) + fileSystem(directory)
    }

    private static func access(to directory: String, _ status: stat) -> DoctorCheck {
        var warning: String?
        if !canWrite(directory) {
            warning = "this user cannot write to it: run the server as its owner, or change the owner"
        } else if status.st_mode & 0o007 != 0 {
            warning = "every user of this machine can read payloads in it: chmod 700 \(directory)"
        }
        return DoctorCheck("data directory", directory, warning: warning)
    }

    private static func space(_ directory: String) -> [DoctorCheck] {
        var system = statvfs()
        guard statvfs(directory, &system) == 0 else { return [] }
        let free = UInt64(system.f_bavail) * UInt64(system.f_frsize)
        let warning = free < freeBytesMin ? "less than 1 GiB is left: free some before submits are refused" : nil
        return [DoctorCheck("free space", text(free), warning: warning)]
    }

    private static func text(_ bytes: UInt64) -> String {
        bytes >= 10 << 30 ? "\(bytes >> 30) GiB" : "\(bytes >> 20) MiB"
    }

    /// SQLite keeps its promises on a disk of this machine only.
    private static func fileSystem(_ directory: String) -> [DoctorCheck] {
        // Linux only; elsewhere there is no such file and nothing is said.
        guard let path = absolute(directory), let mounts = try? Descriptor.contents(of: "/proc/self/mounts"),
            let kind = kind(of: path, mounts: String(decoding: mounts, as: UTF8.self))
        else { return [] }
        let isRemote = remoteKinds.contains(kind)
        return [
            DoctorCheck(
                "file system",
                kind,
                warning: isRemote ? "a record is not safe on a network file system: use a local disk" : nil
            )
        ]
    }

    private static let remoteKinds: Set<String> = [
        "9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "lustre",
        "nfs", "nfs4", "smb3", "smbfs",
    ]

    /// The file system of the longest mount point that `path` lies under; of equals the last, which hides the others.
    package static func kind(of path: String, mounts: String) -> String? {
        var best: (length: Int, kind: String)?
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 3 else { continue }
            let point = fields[1] == "/" ? "" : fields[1]
            guard path == point || path.hasPrefix(point + "/"), point.count >= best?.length ?? 0 else { continue }
            best = (point.count, String(fields[2]))
        }
        return best?.kind
    }
}

private func absolute(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}

private func canWrite(_ directory: String) -> Bool {
    access(directory, R_OK | W_OK | X_OK) == 0
}
