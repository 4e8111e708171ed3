//! A password or token: compared in constant time, never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The digest of a password or token.
#[derive(Clone)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Secret(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether it is the same. The time depends neither on where the two differ nor on their lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.ct_eq(&Secret::new(text).0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The reason why a password or token cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The environment variable is not set, or has no text.
    #[error("the environment variable {0} is not set: set it, or give the console another access")]
    Variable(String),
    /// The file cannot be read.
    #[error("the file {} cannot be read: {error}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// The password or token is shorter than 12 characters.
    #[error("{0} has fewer than 12 characters: whoever may stop jobs needs a longer one")]
    Short(String),
}

/// Fewer characters are guessed.
const LEAST_LENGTH: usize = 12;

/// Refuses a password or token that is easily guessed. `what` names where it comes from.
pub(super) fn long_enough(text: String, what: impl fmt::Display) -> Result<String, SecretError> {
    match text.chars().count() >= LEAST_LENGTH {
        true => Ok(text),
        false => Err(SecretError::Short(what.to_string())),
    }
}

/// The value of an environment variable without the white space around it.
pub(super) fn from_env(variable: &str) -> Result<String, SecretError> {
    let value = std::env::var(variable).unwrap_or_default();
    match value.trim() {
        "" => Err(SecretError::Variable(variable.to_owned())),
        value => Ok(value.to_owned()),
    }
}

/// The text of a file without the newline at its end.
pub(super) fn from_file(path: &Path) -> Result<String, SecretError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| SecretError::File {
        path: path.to_owned(),
        error,
    })?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    long_enough(text, format_args!("the text of {}", path.display()))
}
