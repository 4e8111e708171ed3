//! Whether a file is on this machine: on a file system of the network, the locks and the shared memory of SQLite do not
//! hold between machines.

use std::path::Path;

#[cfg(any(target_os = "linux", target_os = "android"))]
use {crate::files::folder_of, std::fs, std::os::unix::fs::MetadataExt};

/// The mounts of this process, as Linux lists them. Empty if that cannot be seen.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn mounts() -> String {
    let bytes = fs::read("/proc/self/mountinfo").unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Other systems list their mounts in another way.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn mounts() -> String {
    String::new()
}

/// The name of the network's file system that a file is on, or its folder. `None` for local ones, and if that cannot be
/// seen. No part of the path is a link.
///
/// A single file may be mounted from elsewhere, and the log of a file is in its folder: both count.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn network(file: &Path, mounts: &str) -> Option<String> {
    [file, folder_of(file)].into_iter().find_map(|path| {
        let by_number = rustix::fs::statfs(path).ok().and_then(|found| {
            // The magic numbers have 32 bits; the field is wider on some machines, and signed.
            network_name(found.f_type as u32)
        });
        let by_mount = || {
            let device = fs::metadata(path).ok()?.dev();
            let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
            network_mount(mounts, &format!("{major}:{minor}"))
        };
        by_number.map(str::to_owned).or_else(by_mount)
    })
}

/// Other systems name their file systems in another way.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn network(_file: &Path, _mounts: &str) -> Option<String> {
    None
}

/// The magic numbers of Linux, from statfs(2), coreutils and the sources of the file systems.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn network_name(magic: u32) -> Option<&'static str> {
    const NETWORK: [(u32, &str); 23] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0xFE53_4D42, "SMB2"),
        (0x0102_1997, "9p"),
        (0x564C, "NCP"),
        (0x5346_414F, "AFS"),
        (0x6B41_4653, "kAFS"),
        (0x7375_7245, "Coda"),
        (0x00C3_6400, "Ceph"),
        (0x0BD0_0BD0, "Lustre"),
        (0x7461_636F, "OCFS2"),
        (0x0116_1970, "GFS2"),
        (0x4750_4653, "GPFS"),
        (0x1983_0326, "BeeGFS"),
        (0x2003_0528, "OrangeFS"),
        (0xAAD7_AAEA, "PanFS"),
        (0x6163_6673, "ACFS"),
        (0x0131_11A8, "IBRIX"),
        (0xBEEF_DEAD, "SNFS"),
        // Folders of the machine that runs this virtual one.
        (0x786F_4256, "vboxsf"),
        (0xBACB_ACBC, "vmhgfs"),
        (0x7C7C_6673, "prl_fs"),
    ];
    let found = NETWORK.iter().find(|(known, _)| *known == magic);
    found.map(|(_, name)| *name)
}

/// The types of mounts that several machines share.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SHARED: [&str; 27] = [
    "9p",
    "acfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "gfs2",
    "glusterfs",
    "gpfs",
    "ibrix",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "panfs",
    "prl_fs",
    "pvfs2",
    "smb3",
    "smbfs",
    "snfs",
    "vboxsf",
    "virtiofs",
    "vmhgfs",
    "wekafs",
];

/// Programs that show something of the network, or of another machine, as a file system of FUSE.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SHARED_FUSE: [&str; 42] = [
    "afpfs",
    "alluxio-fuse",
    "blobfuse",
    "blobfuse2",
    "ceph",
    "ceph-client",
    "ceph-fuse",
    "cunofs",
    "curlftpfs",
    "cvmfs2",
    "davfs",
    "davfs2",
    "dbxfs",
    "fuse-nfs",
    "fuse_dfs",
    "gcsfuse",
    "geesefs",
    "glusterfs",
    "google-drive-ocamlfuse",
    "goofys",
    "grpcfuse",
    "gvfsd-fuse",
    "hdfs",
    "ipfs",
    "juicefs",
    "lizardfs",
    "mfs",
    "mfsmount",
    "mountpoint-s3",
    "objectivefs",
    "onedriver",
    "osxfs",
    "quobyte",
    "rclone",
    "s3fs",
    "saunafs",
    "seaweedfs",
    "smbnetfs",
    "sshfs",
    "vmhgfs-fuse",
    "wdfs",
    "xtreemfs",
];

/// The type of the mount of a device, `major:minor`, if it is one of the network. FUSE has one magic number for all of
/// its programs; only the list of mounts names them.
///
/// The forms of a line are in proc_pid_mountinfo(5):
/// `36 35 98:0 /root /mount options optional-fields… - type source super-options`.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn network_mount(mounts: &str, device: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        if mount.split(' ').nth(2) != Some(device) {
            return None;
        }
        let mut words = file_system.split(' ');
        let (kind, source) = (words.next()?, words.next().unwrap_or_default());
        let is_shared = match kind.strip_prefix("fuse") {
            Some(program) => {
                let program = program.strip_prefix('.').unwrap_or_default();
                // A program that gives itself no name often is the source.
                SHARED_FUSE.contains(&program)
                    || SHARED_FUSE.contains(&source)
                    || is_of_host(source)
            }
            None => SHARED.contains(&kind),
        };
        is_shared.then(|| kind.to_owned())
    })
}

/// Whether a source names another machine: `user@host:/folder`, `//server/share`, `https://…`. Sources such as
/// `/disk1:/disk2` are local.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_of_host(source: &str) -> bool {
    let before_colon = source.split_once(":/").map(|(host, _)| host);
    source.starts_with("//")
        || before_colon.is_some_and(|host| !host.is_empty() && !host.contains('/'))
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
        assert_eq!(network(&folder.path().join("jobs.db"), &mounts()), None);
        assert!(free_bytes(folder.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(&folder.path().join("missing")), None);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn file_systems_of_the_network_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xFF53_4D42), Some("CIFS"));
        assert_eq!(network_name(0x6B41_4653), Some("kAFS"));
        assert_eq!(network_name(0xEF53), None, "ext4");
        assert_eq!(network_name(0x794C_7630), None, "overlayfs");
        assert_eq!(network_name(0x6573_5546), None, "FUSE");
    }

    /// Lines as Linux has them.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const MOUNTS: &str = "\
29 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
97 29 0:53 / /mnt/ssh rw,nosuid,nodev,relatime shared:52 - fuse.sshfs user@host:/srv rw,user_id=1000,group_id=1000
98 29 0:54 / /mnt/my\\040disk rw,relatime - fuse.glusterfs gluster1:/gv0 rw,user_id=0,allow_other,max_read=131072
99 29 0:55 / /mnt/bucket rw,nosuid,nodev,relatime shared:54 master:3 - fuse.s3fs s3fs rw,user_id=0,group_id=0
100 29 0:56 / /mnt/objects ro,nodev,relatime shared:55 - fuse mountpoint-s3 ro,user_id=0,group_id=0,default_permissions
101 29 0:57 / /shared rw,relatime shared:9 - virtiofs shared rw
102 29 0:58 / /mnt/unknown rw,relatime - fuse.newfs nas:/volume1 rw,user_id=0,group_id=0
103 29 0:59 /app/jobs.db /var/lib/app/jobs.db rw,relatime shared:80 - nfs4 10.0.0.1:/export rw,vers=4.2,hard
104 29 0:60 / /mnt/share rw,relatime shared:81 - cifs //nas/share rw,vers=3.1.1,cache=strict
105 29 8:17 / /media/disk rw,nosuid,nodev,relatime shared:60 - fuseblk /dev/sdb1 rw,user_id=0,group_id=0,blksize=4096
106 29 0:61 / /pool rw,relatime shared:61 - fuse.mergerfs disk1:disk2 rw,user_id=0,group_id=0,allow_other
107 29 0:62 / / rw,nodev,noatime - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0,group_id=0,default_permissions
108 29 0:63 / /secret rw,nosuid,nodev,relatime shared:62 - fuse.gocryptfs /home/user/cipher rw,max_read=131072
109 29 0:64 / /pool2 rw,relatime - fuse.mergerfs /mnt/disk1:/mnt/disk2 rw
110 29 0:65 / /tmp rw,nosuid,nodev shared:7 - tmpfs tmpfs rw,size=8192k";

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn mounts_of_the_network_are_known_by_their_types() {
        let of = |device| network_mount(MOUNTS, device);
        for (device, kind) in [
            ("0:53", "fuse.sshfs"),
            ("0:54", "fuse.glusterfs"),
            ("0:55", "fuse.s3fs"),
            ("0:56", "fuse"),
            ("0:57", "virtiofs"),
            ("0:58", "fuse.newfs"),
            ("0:59", "nfs4"),
            ("0:60", "cifs"),
        ] {
            assert_eq!(of(device).as_deref(), Some(kind), "{device}");
        }
        for device in [
            "8:2", "8:17", "0:61", "0:62", "0:63", "0:64", "0:65", "0:5", "9:9",
        ] {
            assert_eq!(of(device), None, "{device}");
        }
        for damaged in [
            "",
            "- nfs4",
            "1 2 0:53 - ",
            "1 2 0:53 / / rw shared:1 nfs4 a:/b rw",
        ] {
            assert_eq!(network_mount(damaged, "0:53"), None, "{damaged}");
        }
    }
}
