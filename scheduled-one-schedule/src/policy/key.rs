//! What a row of the table says of its key.

use super::form::{Form, Value};
use super::table::Policies;

/// One policy key: a row of [`POLICY_KEYS`](super::POLICY_KEYS).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PolicyKey {
    /// Name of the key in the attribute, of the method of a job, and of the field of [`Policies`].
    pub name: &'static str,
    /// What the key is for, as Markdown in one line: a cell of the attribute's documentation.
    pub summary: &'static str,
    /// How its value is written.
    pub form: Form,
    /// A value to paste.
    pub example: &'static str,
    /// What other schedulers call the key, for "did you mean".
    pub aliases: &'static [&'static str],
    /// Whether the key goes with `scope = every_node`.
    pub every_node: OnEveryNode,
    /// What the key has no effect without.
    pub needs: Option<Need>,
    pub(super) default_value: Option<Value>,
    pub(super) getter: fn(&Policies) -> Option<Value>,
    pub(super) setter: fn(&mut Policies, Value),
}

impl PolicyKey {
    /// The value that the policies have for this key, if a job says one.
    #[must_use]
    pub fn get(&self, policies: &Policies) -> Option<Value> {
        (self.getter)(policies)
    }

    /// Sets the value for this key. A value of another type than the key's changes nothing.
    pub fn set(&self, policies: &mut Policies, value: Value) {
        (self.setter)(policies, value);
    }

    /// What the policies say for this key, as the attribute would write it, texts without quotation marks; `None` if
    /// they say nothing.
    #[must_use]
    pub fn said(&self, policies: &Policies) -> Option<String> {
        let value = self.get(policies)?;
        let shown = self.form.show(value).replace('"', "");
        Some(match (shown.split_once('('), value.number()) {
            (Some((word, _)), Some(number)) => format!("{word}({number})"),
            _ => shown,
        })
    }

    /// The value of a job that says none, as the attribute would write it; `None` if that is no value.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        self.default_value.map(|value| self.form.show(value))
    }
}

/// Whether a key goes with `scope = every_node`, where a node takes no claim and holds no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEveryNode {
    /// Any value goes.
    Allowed,
    /// Only its default goes.
    DefaultOnly,
    /// No value goes.
    Forbidden,
}

/// Another setting without which a key has no effect.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Need {
    /// The other key.
    pub key: &'static str,
    /// Whether the policies have what is needed.
    pub(super) is_met: fn(&Policies) -> bool,
    /// What is needed, and why: the end of the message.
    pub(super) reason: &'static str,
}
