//! The same people, who may only look.

use http::request::Parts;

use super::{Access, Decision, User};

/// Lets the same people in as another [`Access`], to look and to do nothing.
#[derive(Clone, Debug)]
pub struct ReadOnly<A>(pub A);

impl<A: Access> Access for ReadOnly<A> {
    fn decide(&self, request: &Parts) -> Decision {
        match self.0.decide(request) {
            Decision::Allow(user) => Decision::Allow(User {
                rights: user.rights.to_look_only(),
                ..user
            }),
            denied => denied,
        }
    }
}
