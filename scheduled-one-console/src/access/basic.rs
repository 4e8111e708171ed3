//! Names and passwords, which a browser asks for.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use scheduled_one_control::Rights;

use super::secret::{Secret, SecretError, from_env, long_enough};
use super::{Access, Decision, Denial, User, credentials};

/// Names and passwords by HTTP's basic authentication (RFC 7617). The passwords travel as text, so put TLS in front.
///
/// ```
/// use scheduled_one_console::Rights;
/// use scheduled_one_console::access::BasicAuth;
///
/// # fn main() -> Result<(), scheduled_one_console::access::SecretError> {
/// let access = BasicAuth::new("ann", "correct horse battery", Rights::all())?
///     .and("guest", "staple under the bridge", Rights::read_only())?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct BasicAuth {
    users: Vec<(Secret, Secret, User)>,
}

impl BasicAuth {
    /// One user.
    ///
    /// # Errors
    ///
    /// [`SecretError::Short`] for a password of fewer than 12 characters.
    pub fn new(name: &str, password: &str, rights: Rights) -> Result<Self, SecretError> {
        BasicAuth { users: Vec::new() }.and(name, password, rights)
    }

    /// One user with all rights, whose name and password are in `CONSOLE_USER` and `CONSOLE_PASSWORD`.
    ///
    /// # Errors
    ///
    /// [`SecretError::Variable`] if one of them is not set, [`SecretError::Short`] as with [`new`](Self::new).
    pub fn from_env() -> Result<Self, SecretError> {
        let (name, password) = (from_env("CONSOLE_USER")?, from_env("CONSOLE_PASSWORD")?);
        Self::new(&name, &password, Rights::all())
    }

    /// Another user.
    ///
    /// # Errors
    ///
    /// [`SecretError::Short`] for a password of fewer than 12 characters.
    pub fn and(mut self, name: &str, password: &str, rights: Rights) -> Result<Self, SecretError> {
        let password = long_enough(
            password.to_owned(),
            format_args!("the password of `{name}`"),
        )?;
        let user = User::new(name, rights);
        let known = (Secret::new(name), Secret::new(&password), user);
        self.users.push(known);
        Ok(self)
    }

    fn user(&self, request: &Parts) -> Option<&User> {
        let decoded = BASE64_STANDARD
            .decode(credentials(request, "basic")?)
            .ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (name, password) = decoded.split_once(':')?;
        // All users are looked at: the time does not tell which names there are.
        let matching = self.users.iter().filter(|(of_user, secret, _)| {
            let (same_name, same_password) = (of_user.matches(name), secret.matches(password));
            same_name & same_password
        });
        matching.fold(None, |_, (_, _, user)| Some(user))
    }
}

impl Access for BasicAuth {
    fn decide(&self, request: &Parts) -> Decision {
        match self.user(request) {
            Some(user) => Decision::Allow(user.clone()),
            None => Decision::Deny(
                Denial::new(
                    StatusCode::UNAUTHORIZED,
                    "Sign in with a name and a password.",
                )
                .challenge(HeaderValue::from_static(
                    "Basic realm=\"scheduled-one\", charset=\"UTF-8\"",
                )),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_control::Rights;

    use crate::access::testing::{request, status};

    fn access() -> BasicAuth {
        let ann = BasicAuth::new("ann", "correct horse", Rights::all()).expect("long");
        ann.and("bob", "battery staple", Rights::read_only())
            .expect("long")
    }

    fn with(credentials: &str) -> u16 {
        let header = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        status(access().decide(&request(&[("authorization", &header)])))
    }

    #[test]
    fn a_user_enters_with_the_own_password_only() {
        assert_eq!(with("ann:correct horse"), 200);
        assert_eq!(with("bob:battery staple"), 200);
        for wrong in [
            "ann:battery staple",
            "ann:",
            "ann",
            ":correct horse",
            "",
            "ann:correct horse ",
        ] {
            assert_eq!(with(wrong), 401, "{wrong}");
        }
        assert_eq!(
            status(access().decide(&request(&[("authorization", "Basic !!!")]))),
            401
        );
    }

    #[test]
    fn a_browser_is_asked_for_the_password() {
        let Decision::Deny(denial) = access().decide(&request(&[])) else {
            panic!("nobody signed in")
        };
        assert!(denial.challenge.is_some());
    }

    #[test]
    fn passwords_are_long_and_never_shown() {
        let error = BasicAuth::new("ann", "short", Rights::all()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the password of `ann` has fewer than 12 characters: whoever may stop jobs needs a longer one"
        );
        assert!(!format!("{:?}", access()).contains("horse"));
    }
}
