//! Whether a file is on this machine: on a file system of the network, the locks and the shared memory of SQLite do not
//! hold between machines.

use std::path::Path;

/// The name of the network's file system that a path is on. `None` for a local one, and if that cannot be seen.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn network(path: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(path).ok()?;
    // The magic numbers have 32 bits; the field is wider on some machines, and signed.
    network_name(found.f_type as u32)
}

/// Other systems name their file systems in another way.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn network(_path: &Path) -> Option<&'static str> {
    None
}

/// The magic numbers of Linux, from statfs(2) and the sources of the file systems.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn network_name(magic: u32) -> Option<&'static str> {
    const NETWORK: [(u32, &str); 13] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB2"),
        (0x0102_1997, "9p"),
        (0x564C, "NCP"),
        (0x5346_414F, "AFS"),
        (0x7375_7245, "Coda"),
        (0x00C3_6400, "Ceph"),
        (0x0BD0_0BD0, "Lustre"),
        (0x7461_636F, "OCFS2"),
        (0x0116_1970, "GFS2"),
        (0x4750_4653, "GPFS"),
    ];
    let found = NETWORK.iter().find(|(known, _)| *known == magic);
    found.map(|(_, name)| *name)
}

/// The free bytes of the file system that a path is on, for a program without privileges.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_local() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(network(folder.path()), None);
        assert!(free_bytes(folder.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(&folder.path().join("missing")), None);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn file_systems_of_the_network_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xFF53_4D42), Some("CIFS"));
        assert_eq!(network_name(0xEF53), None, "ext4");
        assert_eq!(network_name(0x794C_7630), None, "overlayfs");
    }
}
