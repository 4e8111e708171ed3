//! The rules of `alert(…)`: what of the job is worth an alert.

use proc_macro2::{Ident, TokenStream};
use scheduled_one_schedule::alert::{JobRules, RULE_KEYS, RuleForm, RuleKey, RuleValue};
use scheduled_one_schedule::parse_duration;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, LitBool, LitInt, Token};

use crate::args::{Args, pieces};
use crate::errors::Errors;
use crate::{keys, suggest, values};

/// The rules that the attribute has, if it has any. Each mistake is an error of its own.
pub(crate) fn read(args: &Args, errors: &mut Errors) -> Option<JobRules> {
    let list = args.bare(&keys::ALERT)?;
    let mut rules = JobRules::new();
    let mut is_empty = true;
    for piece in pieces(list.clone()) {
        is_empty = false;
        let parser = |input: ParseStream<'_>| rule(input, &rules);
        let read = parser.parse2(piece).and_then(|read| read);
        if let Some((key, value)) = errors.keep(read) {
            key.set(&mut rules, value);
        }
    }
    if is_empty {
        let message = format!(
            "`alert` names no rule\nhelp: write `{}`",
            keys::ALERT.line()
        );
        errors.push(args.error_at_key(&keys::ALERT, &message));
    }
    Some(rules)
}

type Rule = (&'static RuleKey, RuleValue);

/// One `rule = value`. The outer error is syn's own.
fn rule(input: ParseStream<'_>, before: &JobRules) -> syn::Result<syn::Result<Rule>> {
    let Ok(name) = input.parse::<Ident>() else {
        let rest: TokenStream = input.parse()?;
        let message = format!("expected `rule = value`, such as `{}`", RULE_KEYS[0].line());
        return Ok(Err(Error::new_spanned(rest, message)));
    };
    let equals: Option<Token![=]> = input.parse()?;
    let value: TokenStream = input.parse()?;
    let Some(key) = RULE_KEYS.iter().find(|key| name == key.name) else {
        return Ok(Err(unknown(&name)));
    };
    if key.get(before).is_some() {
        let message = format!("the rule `{name}` is given twice");
        return Ok(Err(Error::new(name.span(), message)));
    }
    if equals.is_none() || value.is_empty() {
        let message = format!(
            "the rule `{name}` needs a value\nhelp: write `{}`",
            key.line()
        );
        return Ok(Err(Error::new(name.span(), message)));
    }
    Ok(read_value(key, &value).map(|value| (key, value)))
}

fn unknown(name: &Ident) -> Error {
    let names: Vec<&str> = RULE_KEYS.iter().map(|key| key.name).collect();
    let help = match suggest::nearest(&name.to_string(), &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", names.join("`, `")),
    };
    let message = format!("unknown rule `{name}` of `alert`\nhelp: {help}");
    Error::new(name.span(), message)
}

fn read_value(key: &RuleKey, tokens: &TokenStream) -> syn::Result<RuleValue> {
    let refused = |what: &str| {
        let (name, line) = (key.name, key.line());
        let message = format!("the rule `{name}` takes {what}\nhelp: write it as in `{line}`");
        Error::new_spanned(tokens, message)
    };
    let string = values::string(tokens);
    let value = match key.form {
        RuleForm::Count => {
            let number: Option<LitInt> = syn::parse2(tokens.clone()).ok();
            let number = number.filter(|number| number.suffix().is_empty());
            let count = number.and_then(|number| number.base10_parse().ok());
            count
                .map(RuleValue::Count)
                .ok_or_else(|| refused("a whole number"))?
        }
        RuleForm::Duration => {
            let written = string.ok_or_else(|| refused("a duration as a string literal"))?;
            let time = parse_duration(&written.value());
            let time = time.map_err(|error| {
                let help = error.help().map(|help| format!("\nhelp: {help}"));
                let message = error.message().to_owned() + &help.unwrap_or_default();
                Error::new(written.span(), message)
            })?;
            RuleValue::Duration(time)
        }
        RuleForm::Flag => {
            let flag: LitBool =
                syn::parse2(tokens.clone()).map_err(|_| refused("`true` or `false`"))?;
            RuleValue::Flag(flag.value)
        }
        RuleForm::Text => {
            let written = string.ok_or_else(|| refused("a string literal"))?;
            RuleValue::Text(written.value())
        }
        _ => return Err(refused("what this macro does not know")),
    };
    match key.refuse(&value) {
        None => Ok(value),
        Some(why) => Err(Error::new_spanned(tokens, why)),
    }
}
