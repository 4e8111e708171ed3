//! Secrets of channels: tokens, and addresses that hold one.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;

use hyper::Uri;
use ring::digest::{SHA256, digest};

/// Longest secret that is read from a file, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A text that is not shown: a token, a key, or an address that holds one. It comes from the program, from a file, or
/// from the environment. A file is read each time, so that a rotated secret needs no restart.
///
/// ```
/// use scheduled_one_alerts::Secret;
///
/// let secret = Secret::from("https://hooks.example/T0/B0/XXXX");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// let other = Secret::file("/run/secrets/slack");
/// assert_eq!(format!("{other:?}"), "Secret(file /run/secrets/slack)");
/// ```
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Text(String),
    File(PathBuf),
    Environment(String),
}

/// A secret or an address that cannot be used. The text says where it comes from, and not what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({from}) {why}")]
pub struct SecretError {
    what: &'static str,
    from: String,
    why: String,
}

impl Secret {
    /// A secret in a file; white space around it is not part of it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Secret(Source::File(path.into()))
    }

    /// A secret in an environment variable.
    pub fn env(variable: impl Into<String>) -> Self {
        Secret(Source::Environment(variable.into()))
    }

    /// Reads it. `what` is what it is, for errors: "the address of Slack".
    pub(crate) async fn read(&self, what: &'static str) -> Result<String, SecretError> {
        let text = match &self.0 {
            Source::Text(text) => text.clone(),
            Source::Environment(name) => {
                let text = std::env::var(name);
                text.map_err(|error| self.error(what, why_unset(name, &error)))?
            }
            Source::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                let read = read.map_err(|error| self.error(what, error.to_string()))?;
                let bytes =
                    read.map_err(|error| self.error(what, format!("cannot be read: {error}")))?;
                let text = String::from_utf8(bytes);
                text.map_err(|_| self.error(what, "is no text".to_owned()))?
            }
        };
        let text = text.trim();
        match text.len() {
            0 => Err(self.error(what, "is empty".to_owned())),
            length if length > MAX_BYTES => Err(self.error(what, "is too long".to_owned())),
            _ => Ok(text.to_owned()),
        }
    }

    /// Reads an address of HTTP.
    pub(crate) async fn read_uri(&self, what: &'static str) -> Result<Uri, SecretError> {
        let text = self.read(what).await?;
        let why = "is no address of HTTP: write https://host/path".to_owned();
        let uri: Uri = text.parse().map_err(|_| self.error(what, why.clone()))?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            let why =
                "has a login in it: take it out; `Alertmanager::bearer` passes a token, and a proxy can add a login for \
                 another receiver".to_owned();
            return Err(self.error(what, why));
        }
        match is_http && uri.host().is_some_and(|host| !host.is_empty()) {
            true => Ok(uri),
            false => Err(self.error(what, why)),
        }
    }

    pub(crate) fn error(&self, what: &'static str, why: String) -> SecretError {
        let from = match &self.0 {
            Source::Text(_) => "from the program".to_owned(),
            other => format!("{other:?}"),
        };
        SecretError { what, from, why }
    }

    /// A digest that tells two secrets apart and shows none: of what is in the file, or the variable, now. Empty if
    /// that cannot be read.
    pub(crate) async fn digest(&self) -> String {
        let Ok(text) = self.read("a secret").await else {
            return String::new();
        };
        let digest = digest(&SHA256, text.as_bytes());
        let bytes = digest.as_ref().iter().take(8);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Why a variable gives no secret. The text of the error itself would show what is in it.
fn why_unset(name: &str, error: &VarError) -> String {
    match error {
        VarError::NotPresent => format!("is not there; set the variable {name}"),
        VarError::NotUnicode(_) => {
            format!("is no text; set the variable {name} to one in UTF-8")
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Text(_) => f.write_str("…"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Environment(name) => write!(f, "variable {name}"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.0)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(Source::Text(text.to_owned()))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(Source::Text(text))
    }
}

/// Replaces what must not be shown in a text of a receiver.
pub(crate) fn redact(text: &str, secrets: &[&str]) -> String {
    let mut shown = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() > 3) {
        shown = shown.replace(*secret, "…");
    }
    shown
}

/// What of an address must not be shown: all but scheme, host and port.
pub(crate) fn secrets_of(uri: &Uri) -> Vec<&str> {
    let path = uri.path().split('/');
    let query = uri.query().unwrap_or_default();
    let values = query.split(['&', '=']);
    let mut secrets: Vec<&str> = path.chain(values).filter(|part| part.len() > 7).collect();
    let whole = uri.path_and_query().map(|it| it.as_str());
    secrets.extend(whole.filter(|it| it.len() > 1));
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_variable_that_is_no_text_is_not_shown() {
        let value = std::ffi::OsString::from_vec(b"hunter2\xe9".to_vec());
        let why = why_unset("SLACK_WEBHOOK", &VarError::NotUnicode(value));
        let expected = "is no text; set the variable SLACK_WEBHOOK to one in UTF-8";
        assert_eq!(why, expected);
        let why = why_unset("SLACK_WEBHOOK", &VarError::NotPresent);
        assert_eq!(why, "is not there; set the variable SLACK_WEBHOOK");
    }

    #[tokio::test]
    async fn what_is_read_has_a_digest_wherever_it_comes_from() {
        let path = std::env::var("PATH").expect("a variable that is set");
        let digest = Secret::from(path.as_str()).digest().await;
        assert_eq!(Secret::env("PATH").digest().await, digest);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, &path).expect("written");
        assert_eq!(Secret::file(&file).digest().await, digest);
        std::fs::write(&file, "another").expect("written");
        assert_ne!(Secret::file(&file).digest().await, digest);
        assert_eq!(Secret::env("NO_SUCH_VARIABLE").digest().await, "");
    }
}
