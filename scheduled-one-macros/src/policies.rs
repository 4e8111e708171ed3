//! Reads the policies: for each row of the table the value that was written, then whether the values go
//! together, by the rule that the runtime has, too.

use scheduled_one_schedule::policy::{Form, POLICY_KEYS, Policies, PolicyKey, Value};
use syn::{Error, LitStr};

use crate::args::Args;
use crate::errors::Errors;
use crate::keys::Key;
use crate::validate::duration;
use crate::values;

/// Reads and checks all policies.
pub(crate) fn read(args: &Args, errors: &mut Errors) -> Policies {
    let mut policies = Policies::default();
    let mut known = Vec::new();
    for policy in POLICY_KEYS {
        if let Some(value) = value(args, policy).and_then(|value| errors.keep(value)) {
            policy.set(&mut policies, value);
            known.push(policy.name);
        }
    }
    check(args, &policies, &known, errors);
    policies
}

/// The value of a key, if one was written.
fn value(args: &Args, policy: &PolicyKey) -> Option<syn::Result<Value>> {
    let key = Key::of_policy(policy);
    let value = match policy.form {
        Form::Duration { .. } => duration(args, &key)?.map(Value::Duration),
        Form::Backoff => backoff(args.text(&key)?),
        Form::Count { .. } => values::count(&key, args.bare(&key)?).map(Value::Count),
        Form::Word(words) => values::word(&key, words, args.bare(&key)?),
        Form::WordList(words) => values::list(&key, words, args.bare(&key)?),
        _ => return None,
    };
    Some(value)
}

fn backoff(text: &LitStr) -> syn::Result<Value> {
    values::backoff(&text.value())
        .map(Value::Backoff)
        .map_err(|(message, help)| Error::new(text.span(), format!("{message}\nhelp: {help}")))
}

/// Reports a value that is out of range at the value, and keys that do not go together at the later key.
fn check(args: &Args, policies: &Policies, known: &[&str], errors: &mut Errors) {
    // With other mistakes around, a key that seems to be missing may be one that could not be read.
    let all_known = errors.is_empty();
    for found in policies.contradictions() {
        let (key, other) = (found.key, found.other);
        if key == other {
            errors.push(args.error_at_value(key, &found.message));
        } else if all_known || (known.contains(&key) && known.contains(&other)) {
            errors.push(args.error_at_later([key, other], &found.message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute with the key and what the key needs.
    fn attribute(policy: &PolicyKey) -> proc_macro2::TokenStream {
        let needed = policy.needs.map_or(String::new(), |need| {
            let is_needed = |other: &&PolicyKey| other.name == need.key;
            let other = POLICY_KEYS.iter().find(is_needed).expect("a key");
            format!("{}, ", Key::of_policy(other).line())
        });
        let line = Key::of_policy(policy).line();
        let text = format!("every = \"90s\", {needed}{line}");
        text.parse().expect("tokens")
    }

    #[test]
    fn each_key_is_read_and_calls_the_method_of_its_name() {
        for policy in POLICY_KEYS {
            let item = quote::quote!(
                async fn job() {}
            );
            let output = crate::attribute::scheduled(attribute(policy), item).to_string();
            assert!(!output.contains("compile_error"), "{output}");
            let call = format!(". {} (", policy.name);
            assert!(output.contains(&call), "no `{call}` in {output}");
        }
    }
}
