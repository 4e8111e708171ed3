//! The checks of an attribute. They use the parser and the rules of the runtime, so a job that compiles also
//! starts.

use std::time::Duration;

use proc_macro2::TokenStream;
use scheduled_one_schedule::name::{self, NAME_CHARACTERS, NameError};
use scheduled_one_schedule::policy::{Policies, Scope, check_label};
use scheduled_one_schedule::{ScheduleError, parse_duration};
use syn::ext::IdentExt as _;
use syn::{Error, LitStr, Meta, Path};

use crate::args::Args;
use crate::errors::Errors;
use crate::item::Item;
use crate::job::{Job, Name, When};
use crate::keys::{self, Key};
use crate::{alert, policies, values, when};

/// Checks everything that is known before the program runs.
pub(crate) fn job(args: &Args, item: &Item, mut errors: Errors) -> Result<Job, Error> {
    let (when, restriction) = when::read(args, &mut errors);
    let name = name(args, item, &mut errors);
    check_other_attributes(&name, item, &mut errors);
    let policies = policies::read(args, &mut errors);
    check_jitter(args, when.as_ref(), policies.jitter, &mut errors);
    let enabled = args
        .bare(&keys::ENABLED)
        .and_then(|tokens| errors.keep(values::boolean(&keys::ENABLED, tokens)));
    let enabled_env = variable(args, &keys::ENABLED_ENV, &mut errors);
    let group = args.text(&keys::GROUP);
    let group = group.and_then(|text| errors.keep(group_name(text)));
    let alert = alert::read(args, &mut errors);
    let on = labels(args, &policies, &mut errors);
    let function = item.check(&mut errors);
    let job = when.map(|when| Job {
        name,
        when,
        restriction,
        policies,
        enabled,
        enabled_env,
        description: args.text(&keys::DESCRIPTION).map(LitStr::value),
        group,
        alert,
        on,
        runtime: runtime(args),
        function,
    });
    errors.into_result(job)
}

/// Checks that jitter never delays a start past the next tick.
fn check_jitter(args: &Args, when: Option<&When>, jitter: Option<Duration>, errors: &mut Errors) {
    if let (Some(When::Every { period, .. }), Some(jitter)) = (when, jitter)
        && jitter >= *period
    {
        let message = "`jitter` is not shorter than the period of `every`\n\
                       help: it spreads the starts between two ticks: use less than the period";
        errors.push(args.error_at_later(["jitter", "every"], message));
    }
}

/// The value of a key that takes a duration, if the key was written.
pub(crate) fn duration(args: &Args, key: &Key) -> Option<syn::Result<Duration>> {
    let text = args.text(key)?;
    Some(located(parse_duration(&text.value()), text))
}

/// The name of an environment variable.
pub(crate) fn variable(args: &Args, key: &Key, errors: &mut Errors) -> Option<String> {
    let text = args.text(key)?;
    let name = text.value();
    if name.is_empty() || name.contains(['=', '\0']) {
        let message = format!(
            "`{}` takes the name of an environment variable: not empty, without `=` and NUL\n\
             help: write it as in `{}`",
            key.name,
            key.line()
        );
        errors.push(Error::new(text.span(), message));
    }
    Some(name)
}

/// The error of the parser, at the user's text.
pub(crate) fn located<T>(result: Result<T, ScheduleError>, text: &LitStr) -> syn::Result<T> {
    result.map_err(|error| Error::new(text.span(), self::text(&error)))
}

/// Message and help on lines of their own.
pub(crate) fn text(error: &ScheduleError) -> String {
    match error.help() {
        Some(help) => format!("{}\nhelp: {help}", error.message()),
        None => error.message().to_owned(),
    }
}

fn name(args: &Args, item: &Item, errors: &mut Errors) -> Name {
    if let Some(text) = args.text(&keys::NAME) {
        let name = text.value();
        if let Err(message) = check_name(&name) {
            errors.push(Error::new(text.span(), message));
        }
        return Name::Given(name);
    }
    let ident = item.ident();
    if args.key(&keys::NAME).is_none() && check_name(&ident.unraw().to_string()).is_err() {
        let message = format!(
            "the name of a job has only the characters {NAME_CHARACTERS}\n\
             help: keep the function's name and add `name = \"…\"` to the attribute"
        );
        errors.push(Error::new(ident.span(), message));
    }
    Name::OfFunction
}

/// Checks that the other `scheduled_one` attributes of the function name other jobs. Attributes above this one
/// have made the same check already.
fn check_other_attributes(name: &Name, item: &Item, errors: &mut Errors) {
    for attribute in &item.attributes {
        let last_segment = attribute.path().segments.last();
        if last_segment.is_none_or(|segment| segment.ident != "scheduled_one") {
            continue;
        }
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
        };
        // The mistakes of the other attribute are reported by its own expansion.
        let other = Args::parse(tokens, &mut Errors::default());
        let same = match (name, other.text(&keys::NAME)) {
            (Name::Given(name), Some(text)) => *name == text.value(),
            (Name::OfFunction, None) => other.key(&keys::NAME).is_none(),
            (Name::Given(_), None) | (Name::OfFunction, Some(_)) => false,
        };
        if same {
            let message = "two jobs of one function need two names\n\
                           help: give one of the attributes a `name = \"…\"` of its own";
            errors.push(Error::new_spanned(attribute.path(), message));
        }
    }
}

/// The group of a job, in the form of names.
fn group_name(text: &LitStr) -> syn::Result<String> {
    let group = text.value();
    let checked = name::check_name(&group).map_err(|error| match error {
        NameError::Character(_) => {
            let fixed = name::with_allowed_characters(&group);
            format!("{error}\nhelp: write `group = \"{fixed}\"`")
        }
        NameError::Empty => format!("{error}\nhelp: leave `group` out"),
        _ => error.to_string(),
    });
    let checked = checked.map_err(|message| Error::new(text.span(), message));
    checked.map(|()| group)
}

/// The labels of the nodes that run the job.
fn labels(args: &Args, policies: &Policies, errors: &mut Errors) -> Option<Vec<String>> {
    let texts = args.texts(&keys::ON)?;
    for (nth, text) in texts.iter().enumerate() {
        let before: Vec<String> = texts[..nth].iter().map(LitStr::value).collect();
        if let Err(message) = check_label(&before, &text.value()) {
            errors.push(Error::new(text.span(), message));
        }
    }
    if policies.scope() == Scope::EveryNode {
        let message = "`on` does not go with `scope = every_node`: there each node runs each tick\n\
                       help: leave the job out on other nodes, with `without` of the builder";
        errors.push(args.error_at_later(["on", "scope"], message));
    }
    Some(texts.iter().map(LitStr::value).collect())
}

/// The rule for names, with the way out.
fn check_name(name: &str) -> Result<(), String> {
    name::check_name(name).map_err(|error| match error {
        NameError::Empty => format!("{error}\nhelp: leave `name` out to take the function's path"),
        NameError::Character(_) => {
            let fixed = name::with_allowed_characters(name);
            format!("{error}\nhelp: write `name = \"{fixed}\"`")
        }
        _ => error.to_string(),
    })
}

fn runtime(args: &Args) -> Path {
    match args.path(&keys::CRATE) {
        Some(path) => path.clone(),
        None => syn::parse_quote!(::scheduled_one_runtime),
    }
}
