//! Logins: a user with a password, given as text or as a file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest content of a password file, in bytes.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// Text in front of the arguments of an unknown command, of which Redis repeats up to 128 bytes.
const ECHO: &str = "with args beginning with";

/// A user and its password. No `Debug`, so that no password is logged.
#[derive(Clone)]
pub(crate) struct Login {
    /// User name; `None` is the default user.
    pub(crate) user: Option<String>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Text(String),
    File(Arc<PasswordFile>),
}

struct PasswordFile {
    path: PathBuf,
    /// The password read last, to be removed from error texts.
    last: Mutex<Option<String>>,
}

impl Login {
    pub(crate) fn new(user: Option<String>, password: String) -> Self {
        let secret = Secret::Text(password);
        Login { user, secret }
    }

    pub(crate) fn from_file(user: Option<String>, path: &Path) -> Self {
        let file = PasswordFile {
            path: path.to_owned(),
            last: Mutex::default(),
        };
        let secret = Secret::File(Arc::new(file));
        Login { user, secret }
    }

    /// User name for error texts.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }

    /// True if the password is empty: it is that of a user of Redis who needs none (`nopass`).
    pub(crate) fn is_without_password(&self) -> bool {
        matches!(&self.secret, Secret::Text(password) if password.is_empty())
    }

    /// Path of the password file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.secret {
            Secret::Text(_) => None,
            Secret::File(file) => Some(&file.path),
        }
    }

    /// The current password. A file is read each time, so that a changed password needs no restart, and on a thread
    /// of the blocking pool, because its disk may hang.
    ///
    /// # Errors
    ///
    /// The path and the fault of the file, never its content.
    pub(crate) async fn password(&self) -> Result<String, String> {
        let file = match &self.secret {
            Secret::Text(password) => return Ok(password.clone()),
            Secret::File(file) => Arc::clone(file),
        };
        let reader = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || read_password(&reader.path));
        let password = read.await.unwrap_or_else(|error| Err(error.to_string()))?;
        *file.last() = Some(password.clone());
        Ok(password)
    }

    /// The text without the password. A server that does not know `AUTH` repeats its arguments, and only the
    /// beginning of long ones, so the arguments are cut off as well.
    pub(crate) fn redact(&self, text: &str) -> String {
        let text = match text.split_once(ECHO) {
            Some((before, _)) => before.trim_end_matches([',', ' ']),
            None => text,
        };
        let password = match &self.secret {
            Secret::Text(password) => Some(password.clone()),
            Secret::File(file) => file.last().clone(),
        };
        match password {
            Some(password) if !password.is_empty() => text.replace(&password, "***"),
            _ => text.to_owned(),
        }
    }
}

impl PasswordFile {
    fn last(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_password(path: &Path) -> Result<String, String> {
    let wrong = |why: &str| format!("the password file {}: {why}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            let most = MAX_PASSWORD_BYTES + 1;
            file.take(most).read_to_end(&mut bytes)
        })
        .map_err(|error| wrong(&error.to_string()))?;
    if bytes.len() as u64 > MAX_PASSWORD_BYTES {
        return Err(wrong(&format!(
            "it has more than {MAX_PASSWORD_BYTES} bytes"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    // Editors end a file with a newline; a password does not.
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password {
        "" => Err(wrong("it is empty")),
        password if password.contains(['\n', '\r']) => Err(wrong("it has more than one line")),
        password => Ok(password.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_each_time_without_its_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let login = Login::from_file(None, &path);
        for (written, meant) in [("one\n", "one"), ("two", "two"), (" three \r\n", " three ")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(login.password().await.unwrap(), meant);
            assert_eq!(login.redact(&format!("no: {meant}")), "no: ***");
        }
    }

    #[test]
    fn no_part_of_a_long_password_is_repeated() {
        let token = "secret".repeat(100);
        let login = Login::new(None, token.clone());
        let error = format!(
            "host:1: ERR unknown command 'AUTH', with args beginning with: '{}' ",
            &token[..128]
        );
        assert_eq!(login.redact(&error), "host:1: ERR unknown command 'AUTH'");
        assert_eq!(login.redact(&format!("no: {token}!")), "no: ***!");
    }

    #[tokio::test]
    async fn errors_name_the_file_and_not_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let long = "secret".repeat(1_000);
        let cases: [(Option<&[u8]>, &str); 5] = [
            (None, "No such file"),
            (Some(b"\n"), "empty"),
            (Some(b"secret\nsecret\n"), "one line"),
            (Some(b"secret\xff"), "UTF-8"),
            (Some(long.as_bytes()), "4096 bytes"),
        ];
        for (content, why) in cases {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let login = Login::from_file(None, &path);
            let error = login.password().await.unwrap_err();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
    }
}
