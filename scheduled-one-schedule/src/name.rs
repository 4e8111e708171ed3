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
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(name.len()));
    }
    match name.chars().find(|c| !is_allowed(*c)) {
        Some(character) => Err(NameError::Character(character)),
        None => Ok(()),
    }
}

/// The nearest name that has only allowed characters, for an error to offer: others become `-`.
///
/// ```
/// assert_eq!(scheduled_one_schedule::name::with_allowed_characters("night shift"), "night-shift");
/// ```
#[must_use]
pub fn with_allowed_characters(name: &str) -> String {
    name.chars()
        .map(|c| if is_allowed(c) { c } else { '-' })
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

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/-".contains(c)
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
        for bad in [' ', '{', '}', '#', '~', '+', 'ä', '\n', '\0'] {
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
