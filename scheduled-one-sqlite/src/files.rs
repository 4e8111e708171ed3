//! The files of a store: the database, and those next to it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// The identity of a file on its machine: a file that was removed, or replaced, has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
    /// Tells a file from an earlier one with the same inode; `None` on file systems that do not know it.
    born_ns: Option<u128>,
}

impl FileId {
    /// `None` if there is no file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let born = metadata.created().ok();
        let born = born.and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Some(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
            born_ns: born.map(|born| born.as_nanos()),
        })
    }

    /// What stays the same when the machine starts again: a disk may have another device number then.
    pub(crate) fn lasting(&self) -> String {
        match self.born_ns {
            Some(born_ns) => format!("{}.{born_ns}", self.inode),
            None => self.inode.to_string(),
        }
    }
}

/// Where the files are, links followed.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) database: PathBuf,
    /// The write-ahead log.
    pub(crate) wal: PathBuf,
    /// The index of the write-ahead log, in memory that processes share.
    pub(crate) shm: PathBuf,
    /// The rollback journal, which a change of the journal mode uses.
    journal: PathBuf,
    /// Locked by whoever opens or closes the others.
    pub(crate) lock: PathBuf,
}

impl Files {
    pub(crate) fn of(path: &Path) -> Self {
        let database = resolved(path);
        let next_to_it = |end: &str| {
            let mut name = database.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        Files {
            wal: next_to_it("-wal"),
            shm: next_to_it("-shm"),
            journal: next_to_it("-journal"),
            lock: next_to_it("-lock"),
            database,
        }
    }

    /// A log that is not empty.
    pub(crate) fn log(&self) -> Option<&Path> {
        let logs = [&self.wal, &self.journal];
        logs.into_iter()
            .find(|log| !is_empty(log))
            .map(PathBuf::as_path)
    }

    /// Removes what another database left at this path. The index goes, too: a new log with the index of an old one
    /// would be read wrongly.
    pub(crate) fn remove_leftovers(&self) -> io::Result<()> {
        for left in [&self.wal, &self.shm, &self.journal] {
            remove(left)?;
        }
        // A log that comes back after a loss of power would be applied to the wrong database.
        fs::File::open(folder_of(&self.database))?.sync_all()
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether a file is missing or has no bytes.
pub(crate) fn is_empty(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |metadata| metadata.len() == 0)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The path with its links followed, as SQLite does, also if the file is still missing.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(to) = fs::read_link(&path) else {
            break;
        };
        path = folder_of(&path).join(to);
    }
    match (folder_of(&path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_files_that_are_missing_too() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        fs::create_dir(folder.join("data")).unwrap();
        symlink("data", folder.join("folder")).unwrap();
        symlink("folder/real.db", folder.join("second")).unwrap();
        symlink(folder.join("second"), folder.join("first")).unwrap();
        assert_eq!(
            resolved(&folder.join("first")),
            folder.join("data").join("real.db")
        );
        let files = Files::of(&folder.join("first"));
        assert_eq!(files.wal, folder.join("data").join("real.db-wal"));
        symlink("circle", folder.join("circle")).unwrap();
        assert_eq!(resolved(&folder.join("circle")), folder.join("circle"));
    }

    #[test]
    fn a_file_made_anew_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        assert_eq!(FileId::of(&path), None);
        fs::write(&path, "1").unwrap();
        let first = FileId::of(&path).unwrap();
        fs::write(&path, "22").unwrap();
        assert_eq!(FileId::of(&path), Some(first));
        // Kept open, so that its inode is not used again.
        let _kept = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "1").unwrap();
        let second = FileId::of(&path).unwrap();
        assert_ne!(second, first);
        assert_ne!(second.lasting(), first.lasting());
    }
}
