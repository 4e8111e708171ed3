//! The connection to the file: opened, kept, and replaced when the file was.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::deadline;
use crate::entry::{Entry, Failed, open_here, unusable};
use crate::file_system;
use crate::files::{self, FileId, Files, folder_of};
use crate::open_error::OpenError;
use crate::open_lock::{Note, OpenLock, State};

/// How long a call that opens the file may take: several processes that open it hinder each other.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(3);

/// How long closing waits for whoever opens or closes the file.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Between two attempts to open the file: those who still have another one look meanwhile.
const OPEN_STEP: Duration = Duration::from_millis(10);

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    // Dropped in this order: SQLite has closed the files when the lock is released.
    pub(crate) connection: Connection,
    path: PathBuf,
    /// The database, its log, and the index of that, when they were opened.
    ids: [Option<FileId>; 3],
    closing: Closing,
}

/// What is left to do when the connection is closed.
#[derive(Debug)]
struct Closing {
    files: Files,
    id: FileId,
    lock: Option<OpenLock>,
}

impl File {
    /// Opens the file, and makes it and its tables if they are missing. Blocks until the deadline of this thread.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        loop {
            match Self::open_once(path) {
                Ok(file) => return Ok(file),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::ForNow(error)) if deadline::is_over() => return Err(error),
                Err(Failed::ForNow(_)) => thread::sleep(OPEN_STEP),
            }
        }
    }

    fn open_once(path: &Path) -> Result<Self, Failed> {
        Self::check_place(path).map_err(Failed::ForGood)?;
        let files = Files::of(path);
        let failed = |error: io::Error| Failed::of_system(path, &error);
        let lock = OpenLock::acquire(&files).map_err(failed)?;
        let entry = Entry::find(path, &files, &lock)?;
        let connection = entry.connect(path, &files, &lock)?;
        lock.write(&Note::new(entry.id, State::Open))
            .map_err(failed)?;
        open_here().push(entry.id);
        let mut file = File {
            connection,
            path: path.to_owned(),
            ids: [
                Some(entry.id),
                FileId::of(&files.wal),
                FileId::of(&files.shm),
            ],
            closing: Closing {
                files,
                id: entry.id,
                lock: None,
            },
        };
        if file.is_current() {
            return Ok(file);
        }
        file.prepare_to_close(lock);
        Err(Failed::for_now(
            path,
            "it is replaced again and again while it is opened",
        ))
    }

    /// Whether a file can be there: its folder exists and is on this machine.
    pub(crate) fn check_place(path: &Path) -> Result<(), OpenError> {
        Self::check_place_on(path, &file_system::mounts())
    }

    fn check_place_on(path: &Path, mounts: &str) -> Result<(), OpenError> {
        let folder = folder_of(path);
        if !folder.is_dir() {
            let why = format!("there is no folder {}: make it", folder.display());
            return Err(unusable(path, why));
        }
        if path.is_dir() {
            return Err(unusable(
                path,
                "it is a folder: name a file in it".to_owned(),
            ));
        }
        match file_system::network(&files::resolved(path), mounts) {
            None => Ok(()),
            Some(kind) => Err(OpenError::NetworkFileSystem {
                path: path.to_owned(),
                kind,
            }),
        }
    }

    /// Whether the path still leads to this file, and its log and index are next to it. A process that keeps a removed
    /// file open would decide for itself.
    pub(crate) fn is_current(&self) -> bool {
        self.is_at_its_path() && self.has_its_log()
    }

    fn is_at_its_path(&self) -> bool {
        FileId::of(&self.path) == self.ids[0]
    }

    fn has_its_log(&self) -> bool {
        let Files { wal, shm, .. } = &self.closing.files;
        self.ids[1..] == [FileId::of(wal), FileId::of(shm)]
    }

    /// Tells this file from another with the same name and content, such as a restored copy.
    pub(crate) fn identity(&self) -> String {
        self.closing.id.lasting()
    }

    /// What happens to the files next to the database before SQLite closes it. The lock is held until that is done.
    ///
    /// The last one to close a database copies its log and removes it, by name: only with the lock, and only if the
    /// names still are those of this database.
    fn prepare_to_close(&mut self, lock: OpenLock) {
        let Files { wal, .. } = &self.closing.files;
        if !self.is_at_its_path() {
            self.leave_files_alone();
            // Left by this database; another one at this path is not to find it.
            if self.ids[1].is_some() && FileId::of(wal) == self.ids[1] {
                let _ = self.closing.files.remove_leftovers();
            }
        } else if !self.has_its_log() {
            // Somebody removed the log. What it has goes into the database.
            let copy = "PRAGMA wal_checkpoint(TRUNCATE)";
            let _ = self.connection.query_row(copy, [], |_| Ok(()));
            self.leave_files_alone();
        }
        self.closing.lock = Some(lock);
    }

    fn leave_files_alone(&self) {
        let leave = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        let _ = self.connection.set_db_config(leave, true);
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if self.closing.lock.is_some() {
            return;
        }
        deadline::set_in(CLOSE_LIMIT);
        match OpenLock::acquire(&self.closing.files) {
            Ok(lock) => self.prepare_to_close(lock),
            Err(_) => self.leave_files_alone(),
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let mut open = open_here();
        if let Some(at) = open.iter().position(|id| *id == self.id) {
            open.swap_remove(at);
        }
        drop(open);
        let Some(lock) = &self.lock else {
            return;
        };
        let is_ours = matches!(lock.note(), Ok(Some(note)) if note.is_of(self.id));
        if is_ours && !self.files.wal.exists() && FileId::of(&self.files.database) == Some(self.id)
        {
            let _ = lock.write(&Note::new(self.id, State::Closed));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// A list in which the file system of a path is one of sshfs.
    fn mounted_from_elsewhere(path: &str) -> String {
        let device = fs::metadata(path).expect("a file").dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        format!("97 29 {major}:{minor} / /mnt rw,relatime - fuse.sshfs user@host:/srv rw")
    }

    #[test]
    fn a_commit_is_on_the_disk_and_not_in_the_cache_of_the_drive() {
        let folder = tempfile::tempdir().unwrap();
        deadline::set_in(Duration::from_secs(60));
        let file = File::open(&folder.path().join("jobs.db")).unwrap();
        let setting = |name: &str| -> i64 {
            let found = file
                .connection
                .pragma_query_value(None, name, |row| row.get(0));
            found.unwrap()
        };
        let full = 2;
        assert_eq!(setting("synchronous"), full);
        assert_eq!(setting("fullfsync"), 1);
        assert_eq!(setting("checkpoint_fullfsync"), 1);
    }

    #[test]
    fn a_link_to_the_network_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        // A file system of its own on each machine, which stands for one of the network.
        symlink("/proc/version", place("file.db")).unwrap();
        symlink("/proc", place("folder")).unwrap();
        symlink("folder/missing.db", place("twice.db")).unwrap();
        let mounts = mounted_from_elsewhere("/proc");
        for name in ["file.db", "folder/version", "folder/missing.db", "twice.db"] {
            let error = File::check_place_on(&place(name), &mounts).unwrap_err();
            assert!(
                matches!(&error, OpenError::NetworkFileSystem { kind, .. } if kind == "fuse.sshfs"),
                "{name}: {error}"
            );
            assert_eq!(File::check_place_on(&place(name), ""), Ok(()), "{name}");
        }
        assert_eq!(File::check_place_on(&place("local.db"), &mounts), Ok(()));
    }
}
