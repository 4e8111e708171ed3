//! A disk that a test can fill while processes write to it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tempfile::TempDir;

use crate::preload;

/// The library; its head says how it works.
const SOURCE: &str = include_str!("disk_shim.c");

/// A full disk for some files of the processes that are started with it. While it is full, what would make such a file
/// longer fails with `ENOSPC`; all other files have room. Linux only; needs `cc`, as Rust does.
///
/// No quota, and no file system of its own: to mount one takes rights that a test does not have.
///
/// Clones share one disk. Processes that are started with [`env`](Self::env) must be started while a clone lives.
#[derive(Clone, Debug)]
pub struct DiskShim(Arc<Shim>);

#[derive(Debug)]
struct Shim {
    dir: TempDir,
    switch: File,
    files: String,
}

impl DiskShim {
    /// Compiles the library. The disk has room until it is filled. The files are those whose path contains this text.
    ///
    /// # Errors
    ///
    /// There is no `cc`, or it fails, or this is not Linux.
    pub fn new(files: &str) -> io::Result<Self> {
        let dir = preload::compile("disk_shim", SOURCE)?;
        let switch = preload::file(&dir, "switch")?;
        let shim = Self(Arc::new(Shim {
            dir,
            switch,
            files: files.to_owned(),
        }));
        shim.set(0)?;
        Ok(shim)
    }

    /// The library to preload.
    #[must_use]
    pub fn library(&self) -> OsString {
        self.0.dir.path().join("disk_shim.so").into_os_string()
    }

    /// The environment variables of a process whose disk this is to be; without `LD_PRELOAD`, which has to name the
    /// [`library`](Self::library), with others.
    #[must_use]
    pub fn env(&self) -> [(OsString, OsString); 2] {
        let switch = self.0.dir.path().join("switch").into_os_string();
        [
            ("DISK_SHIM_SWITCH".into(), switch),
            ("DISK_SHIM_FILES".into(), self.0.files.clone().into()),
        ]
    }

    /// Fills the disk.
    ///
    /// # Errors
    ///
    /// The switch cannot be written.
    pub fn fill(&self) -> io::Result<()> {
        self.set(1)
    }

    /// Makes room again.
    ///
    /// # Errors
    ///
    /// As [`fill`](Self::fill).
    pub fn empty(&self) -> io::Result<()> {
        self.set(0)
    }

    fn set(&self, value: u8) -> io::Result<()> {
        self.0.switch.write_all_at(&[value], 0)
    }
}
