//! The rule for names of jobs, nodes and namespaces. Names are parts of keys in a store and labels of metrics,
//! so nothing in them needs an escape anywhere.

use std::fmt;

/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// The characters that a name may have, as errors and documents show them.
pub const NAME_CHARACTERS: &str = "A-Z a-z 0-9 _ . : / -";

/// Checks a name: 1 to [`MAX_NAME_BYTES`] bytes of [`NAME_CHARACTERS`].
///
/// ```
/// use scheduled_one_schedule::name::{NameError, check_name};
///
/// assert_eq!(check_name("billing/sweep"), Ok(()));
/// assert_eq!(check_name("billing sweep"), Err(NameError::Character(' ')));
/// ```
///
/// # Errors
///
/// The first reason for which the name is refused.
pub fn check_name(name: &str) -> Result<(), NameError> {
    match find_fault(name) {
        None => Ok(()),
        Some(NameFault::Empty) => Err(NameError::Empty),
        Some(NameFault::TooLong) => Err(NameError::TooLong(name.len())),
        // All characters before it are one byte long.
        Some(NameFault::Character { at }) => {
            let character = name[at..].chars().next();
            Err(NameError::Character(character.unwrap_or_default()))
        }
    }
}

/// The first character of the names of internal jobs, which a scheduler brings itself. No other name has it.
pub const INTERNAL: char = '$';

/// Whether this is the name of an internal job.
///
/// ```
/// use scheduled_one_schedule::name::{check_name, is_internal};
///
/// assert!(is_internal("$alerts") && check_name("$alerts").is_err());
/// ```
#[must_use]
pub fn is_internal(name: &str) -> bool {
    name.starts_with(INTERNAL)
}

/// Checks the name of a job as a store has it: that of a program, or that of an internal job.
///
/// # Errors
///
/// The first reason for which the name is refused.
pub fn check_stored_name(name: &str) -> Result<(), NameError> {
    check_name(name.strip_prefix(INTERNAL).unwrap_or(name))
}

/// What is wrong with a name, as far as a constant can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// The name has no characters.
    Empty,
    /// The name has more than [`MAX_NAME_BYTES`].
    TooLong,
    /// The first character that is not one of [`NAME_CHARACTERS`].
    Character {
        /// Its place in the name, in bytes.
        at: usize,
    },
}

/// As [`check_name`], while a program compiles.
///
/// ```
/// use scheduled_one_schedule::name::{NameFault, find_fault};
///
/// const FAULT: Option<NameFault> = find_fault("billing sweep");
/// assert_eq!(FAULT, Some(NameFault::Character { at: 7 }));
/// ```
#[must_use]
pub const fn find_fault(name: &str) -> Option<NameFault> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Some(NameFault::Empty);
    }
    if bytes.len() > MAX_NAME_BYTES {
        return Some(NameFault::TooLong);
    }
    let mut at = 0;
    while at < bytes.len() {
        if !is_allowed(bytes[at]) {
            return Some(NameFault::Character { at });
        }
        at += 1;
    }
    None
}

/// The nearest name that has only allowed characters, for an error to offer: others become `-`.
///
/// ```
/// assert_eq!(scheduled_one_schedule::name::with_allowed_characters("night shift"), "night-shift");
/// ```
#[must_use]
pub fn with_allowed_characters(name: &str) -> String {
    name.chars()
        .map(|c| match u8::try_from(c) {
            Ok(byte) if is_allowed(byte) => c,
            _ => '-',
        })
        .collect()
}

/// Why a name is refused. `Display` is one sentence, lower case, without a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameError {
    /// The name has no characters.
    Empty,
    /// The name has this many bytes, more than [`MAX_NAME_BYTES`].
    TooLong(usize),
    /// The name has this character, which is not one of [`NAME_CHARACTERS`].
    Character(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => write!(f, "the name is empty"),
            NameError::TooLong(bytes) => {
                write!(
                    f,
                    "the name has {bytes} bytes; at most {MAX_NAME_BYTES} are allowed"
                )
            }
            NameError::Character(character) => write!(
                f,
                "the name has the character {character:?}; allowed are {NAME_CHARACTERS}"
            ),
        }
    }
}

impl std::error::Error for NameError {}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'/' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_exact() {
        for good in ["a", "A.b:c/d-e_9", &"x".repeat(MAX_NAME_BYTES)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_name(""), Err(NameError::Empty));
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(
            check_name(&long),
            Err(NameError::TooLong(MAX_NAME_BYTES + 1))
        );
        assert_eq!(check_stored_name("$alerts"), Ok(()));
        assert_eq!(check_stored_name("a$"), Err(NameError::Character('$')));
        assert_eq!(check_stored_name("$"), Err(NameError::Empty));
        for bad in [' ', '{', '}', '#', '~', '+', '$', 'ä', '\n', '\0'] {
            let name = format!("a{bad}b");
            assert_eq!(
                check_name(&name),
                Err(NameError::Character(bad)),
                "{name:?}"
            );
            assert_eq!(
                check_name(&with_allowed_characters(&name)),
                Ok(()),
                "{name:?}"
            );
        }
    }
}
