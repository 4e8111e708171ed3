//! The lock on opening and closing a file. SQLite removes, makes and shortens the files next to a database by their
//! names, so two processes with different databases at one path would take each other's.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::thread;

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::deadline::{self, STEP};
use crate::files::{FileId, Files};

/// Length of a note: all that is written is one write of so many bytes, so a note is old or new.
const NOTE_BYTES: usize = 96;

/// Which database the files next to it belong to, and whether they are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    file: String,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Somebody makes the log, and may not have come to the end.
    Opening,
    /// There is a log.
    Open,
    /// The last process has copied the log into the database and removed it.
    Closed,
}

impl State {
    const ALL: [(State, &str); 3] = [
        (State::Opening, "opening"),
        (State::Open, "open"),
        (State::Closed, "closed"),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, word)| word)
    }
}

impl Note {
    pub(crate) fn new(file: FileId, state: State) -> Self {
        Note {
            file: file.lasting(),
            state,
        }
    }

    pub(crate) fn is_of(&self, file: FileId) -> bool {
        self.file == file.lasting()
    }

    fn text(&self) -> String {
        let text = format!("{} {}", self.file, self.state.word());
        format!("{text:<width$}\n", width = NOTE_BYTES - 1)
    }

    fn parse(text: &str) -> Option<Self> {
        let (file, word) = text.trim_end().split_once(' ')?;
        let (state, _) = State::ALL.iter().find(|(_, known)| *known == word)?;
        Some(Note {
            file: file.to_owned(),
            state: *state,
        })
    }
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenLock {
    file: fs::File,
}

impl OpenLock {
    /// Waits for the lock until the deadline of this thread. Blocks.
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if another process holds it for long.
    pub(crate) fn acquire(files: &Files) -> io::Result<Self> {
        loop {
            let file = open(files)?;
            while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
                if error != rustix::io::Errno::WOULDBLOCK {
                    return Err(error.into());
                }
                if deadline::is_over() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                thread::sleep(STEP);
            }
            // A lock on a file that was removed locks nobody out.
            let locked = file.metadata()?;
            let named = fs::metadata(&files.lock).ok();
            if named.is_some_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()))
            {
                return Ok(OpenLock { file });
            }
        }
    }

    /// `None` if there was none yet, or somebody removed or edited it.
    pub(crate) fn note(&self) -> io::Result<Option<Note>> {
        let mut text = [0; NOTE_BYTES];
        let length = self.file.read_at(&mut text, 0)?;
        let text = str::from_utf8(&text[..length]).ok();
        Ok(text.and_then(Note::parse))
    }

    /// The note is on the disk before what it is about.
    pub(crate) fn write(&self, note: &Note) -> io::Result<()> {
        if self.note()?.as_ref() == Some(note) {
            return Ok(());
        }
        self.file.write_all_at(note.text().as_bytes(), 0)?;
        self.file.sync_data()
    }
}

/// Opens the lock file. A new one gets the owner and the permissions of the database, so that whoever may use that may
/// use this, although an operator with more rights has come first.
fn open(files: &Files) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32);
    match options.open(&files.lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let file = options.create(true).mode(0o644).open(&files.lock)?;
    if let Ok(database) = fs::metadata(&files.database) {
        let mode = Permissions::from_mode(database.mode() & 0o777);
        // Refused to whoever is not allowed to give a file away; then the file is of this user, as a new database is.
        let _ = file.set_permissions(mode);
        let _ = fchown(&file, Some(database.uid()), Some(database.gid()));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn files(folder: &Path) -> Files {
        let path = folder.join("jobs.db");
        fs::write(&path, "").unwrap();
        Files::of(&path)
    }

    #[test]
    fn one_has_the_lock_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        deadline::set_in(Duration::from_millis(20));
        let first = OpenLock::acquire(&files).unwrap();
        let error = OpenLock::acquire(&files).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(first);
        let second = OpenLock::acquire(&files).unwrap();
        // The lock of a removed file is no lock: the next one makes a file.
        fs::remove_file(&files.lock).unwrap();
        OpenLock::acquire(&files).unwrap();
        drop(second);
    }

    #[test]
    fn a_note_is_read_back_and_nonsense_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let id = FileId::of(&files.database).unwrap();
        deadline::set_in(Duration::from_secs(60));
        let lock = OpenLock::acquire(&files).unwrap();
        assert_eq!(lock.note().unwrap(), None);
        for (state, _) in State::ALL {
            let note = Note::new(id, state);
            lock.write(&note).unwrap();
            assert_eq!(lock.note().unwrap(), Some(note.clone()));
            assert!(note.is_of(id));
        }
        let length = fs::metadata(&files.lock).unwrap().len();
        assert_eq!(length, NOTE_BYTES as u64);
        fs::write(&files.lock, "12 ajar").unwrap();
        assert_eq!(lock.note().unwrap(), None);
    }

    #[test]
    fn a_lock_file_has_the_permissions_of_its_database() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        fs::set_permissions(&files.database, Permissions::from_mode(0o664)).unwrap();
        deadline::set_in(Duration::from_secs(60));
        OpenLock::acquire(&files).unwrap();
        let mode = fs::metadata(&files.lock).unwrap().mode();
        assert_eq!(mode & 0o777, 0o664);
    }
}
