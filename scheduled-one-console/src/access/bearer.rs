//! A token in a file, for programs.

use std::path::{Path, PathBuf};

use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::secret::{Secret, SecretError, from_file};
use super::{Access, Decision, Denial, User, credentials};
use scheduled_one_control::Rights;

/// A token in the header `Authorization: Bearer …` (RFC 6750), for programs that use the API.
///
/// The file is read for each request, so a token that is replaced holds at once.
#[derive(Clone, Debug)]
pub struct Bearer {
    path: PathBuf,
    user: User,
}

impl Bearer {
    /// The token is the text of the file; whoever has it is `user`, with these rights.
    ///
    /// # Errors
    ///
    /// [`SecretError::File`] if the file cannot be read now, [`SecretError::Short`] if it has fewer than 12 characters.
    pub fn from_file(
        path: impl AsRef<Path>,
        user: &str,
        rights: Rights,
    ) -> Result<Self, SecretError> {
        from_file(path.as_ref())?;
        Ok(Bearer {
            path: path.as_ref().to_owned(),
            user: User::new(user, rights),
        })
    }
}

impl Access for Bearer {
    fn decide(&self, request: &Parts) -> Decision {
        let Ok(token) = from_file(&self.path) else {
            let text = "The file of the token cannot be read, or has no token.";
            return Decision::Deny(Denial::new(StatusCode::SERVICE_UNAVAILABLE, text));
        };
        let given = credentials(request, "bearer").unwrap_or_default();
        match Secret::new(&token).matches(given) {
            true => Decision::Allow(self.user.clone()),
            false => Decision::Deny(
                Denial::new(
                    StatusCode::UNAUTHORIZED,
                    "Send the token: `Authorization: Bearer …`.",
                )
                .challenge(HeaderValue::from_static("Bearer realm=\"scheduled-one\"")),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::{request, status};

    #[test]
    fn a_token_that_is_replaced_holds_at_once() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "the first token\n").expect("written");
        let access = Bearer::from_file(file.path(), "ci", Rights::all()).expect("a token");
        let with = |token: &str| {
            status(access.decide(&request(&[("authorization", &format!("bearer {token}"))])))
        };
        assert_eq!(with("the first token"), 200);
        assert_eq!(with("the second token"), 401);
        std::fs::write(file.path(), "the second token\n").expect("written");
        assert_eq!(with("the second token"), 200);
        assert_eq!(with("the first token"), 401);
        std::fs::write(file.path(), "").expect("written");
        assert_eq!(
            with(""),
            503,
            "an empty file is no token that everybody has"
        );
        assert_eq!(status(access.decide(&request(&[]))), 503);
    }

    #[test]
    fn a_missing_file_is_an_error_at_the_start() {
        let error = Bearer::from_file("/no/such/file", "ci", Rights::all()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the file /no/such/file cannot be read")
        );
    }
}
