//! The password: from the URL, the environment, or a file that is read again for each connection.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Longest password file, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The permissions of those who do not own a file.
const OF_OTHERS: u32 = 0o077;

/// Where the password comes from. No `Debug`, so that no password is logged.
#[derive(Clone)]
pub(crate) enum Password {
    /// From the URL, or from `PGPASSWORD`.
    Text(Vec<u8>),
    /// A file in the form of `.pgpass`: `host:port:database:user:password`, with `*` for any.
    File(PathBuf),
    /// There is none: the server may trust, or know the user by a certificate.
    None,
}

/// What a line of a password file is for.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) user: String,
}

impl Password {
    /// The current password. Blocks, if it is in a file.
    ///
    /// # Errors
    ///
    /// The path and the fault of the file, never its content.
    pub(crate) fn read(&self, login: &Login) -> Result<Option<Vec<u8>>, String> {
        match self {
            Password::Text(password) => Ok(Some(password.clone())),
            Password::File(path) => Ok(find(&read(path)?, login).map(String::into_bytes)),
            Password::None => Ok(None),
        }
    }

    /// The path of the file, if others than its owner may read it: libpq ignores such a file. Blocks.
    pub(crate) fn exposed(&self) -> Option<&Path> {
        let path = self.file()?;
        let mode = fs::metadata(path).ok()?.permissions().mode();
        (mode & OF_OTHERS != 0).then_some(path)
    }

    /// The file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Password::File(path) => Some(path),
            Password::Text(_) | Password::None => None,
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |why: &str| format!("the password file {} {why}", path.display());
    let metadata =
        fs::metadata(path).map_err(|error| failed(&format!("cannot be read: {error}")))?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(failed("is longer than 64 KiB: it is no password file"));
    }
    fs::read_to_string(path).map_err(|error| failed(&format!("cannot be read: {error}")))
}

/// The password of the first line that fits.
fn find(text: &str, login: &Login) -> Option<String> {
    let wanted = [
        login.host.clone(),
        login.port.to_string(),
        login.database.clone(),
        login.user.clone(),
    ];
    let fits = |line: &str| {
        let mut fields = fields(line);
        let password = fields.pop()?;
        let fit = |(field, wanted): (&String, &String)| field == "*" || field == wanted;
        let is_for_it = fields.len() == wanted.len() && fields.iter().zip(&wanted).all(fit);
        is_for_it.then_some(password)
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(fits)
}

/// The fields of a line; `\:` is a colon, `\\` a backslash.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(last) = fields.last_mut() {
            last.push(character);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            host: "db.example".to_owned(),
            port: 5432,
            database: "app".to_owned(),
            user: "ann".to_owned(),
        }
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let cases = [
            ("db.example:5432:app:ann:one", Some("one")),
            ("*:*:*:ann:two\n*:*:*:*:three", Some("two")),
            ("*:*:*:bob:two\n*:*:*:*:three", Some("three")),
            ("# *:*:*:*:no\n*:*:*:ann:a\\:b\\\\c:d", Some("a:b\\c:d")),
            ("other:5432:app:ann:one", None),
            ("*:*:*:*", None),
            ("", None),
        ];
        for (text, password) in cases {
            assert_eq!(find(text, &login()).as_deref(), password, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_read_again_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        let password = Password::File(path.clone());
        let error = password.read(&login()).unwrap_err();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        for secret in ["first", "second"] {
            fs::write(&path, format!("*:*:*:*:{secret}\n")).unwrap();
            let read = password.read(&login()).unwrap();
            assert_eq!(read.as_deref(), Some(secret.as_bytes()));
        }
    }
}
