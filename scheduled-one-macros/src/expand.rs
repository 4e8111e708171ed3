//! The expansion: the user's function, untouched, and its registration.

use std::fmt::Debug;
use std::time::Duration;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use scheduled_one_schedule::alert::{JobRules, RULE_KEYS, RuleValue};
use scheduled_one_schedule::policy::{POLICY_KEYS, Policies, Value};
use syn::Type;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use crate::item::names_no_type;
use crate::job::{Function, Job, Name, Restriction, When};

// Input:
//
//     #[scheduled_one(cron = "0 0 9 * * MON", tz = "Asia/Shanghai", lease = "5s")]
//     async fn report(State(db): State<Db>) -> Result<(), Error> { … }
//
// Output:
//
//     async fn report(State(db): State<Db>) -> Result<(), Error> { … }
//
//     const _: () = {
//         use ::scheduled_one_runtime::__private as __scheduled_one;
//         const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
//             ::core::concat!(::core::module_path!(), "::", "report"),
//         );
//         fn __scheduled_one_job() -> __scheduled_one::Job {
//             __scheduled_one::Job::cron(
//                 __SCHEDULED_ONE_NAME,
//                 "0 0 9 * * MON",
//                 __scheduled_one::function(
//                     report,
//                     (__scheduled_one::argument::<State<Db>>(),),
//                     __scheduled_one::returned::<Result<(), Error>>(),
//                 ),
//             )
//             .tz("Asia/Shanghai")
//             .lease(__scheduled_one::Duration::from_millis(5000))
//         }
//         __scheduled_one::register!(__scheduled_one_job);
//     };
//
// The default name is a constant, so that one that cannot be used does not compile.
// The path of the runtime stands in one `use`, so that a missing runtime is one error. The names are long, so
// that they hide none of the user's from the types that the block repeats.
pub(crate) fn expand(job: &Job, item: &TokenStream) -> TokenStream {
    let runtime = &job.runtime;
    let attributes = &job.function.attributes;
    let name = name(job);
    let builder = builder(job);
    quote! {
        #item

        #(#attributes)*
        const _: () = {
            use #runtime::__private as __scheduled_one;
            #name
            fn __scheduled_one_job() -> __scheduled_one::Job {
                #builder
            }
            __scheduled_one::register!(__scheduled_one_job);
        };
    }
}

/// `Job::cron(…)` or `Job::every(…)`, and a call for each key that the attribute has.
fn builder(job: &Job) -> TokenStream {
    let name = match &job.name {
        Name::Given(name) => quote!(#name),
        Name::OfFunction => quote!(__SCHEDULED_ONE_NAME),
    };
    let function = function(&job.function);
    let tz = call("tz", job.restriction.zone.as_ref());
    let made = match &job.when {
        When::Cron {
            expression,
            variable,
        } => {
            let cron_env = call("cron_env", variable.as_ref());
            quote!(__scheduled_one::Job::cron(#name, #expression, #function) #tz #cron_env)
        }
        When::Manual => quote!(__scheduled_one::Job::manual(#name, #function)),
        When::Every { period, offset } => {
            let period = duration(*period);
            let offset = call("offset", offset.map(duration));
            quote!(__scheduled_one::Job::every(#name, #period, #function) #tz #offset)
        }
    };
    let restriction = restriction(&job.restriction);
    let policies = policies(&job.policies);
    let enabled = call("enabled", job.enabled);
    let enabled_env = call("enabled_env", job.enabled_env.as_ref());
    let description = call("description", job.description.as_ref());
    let group = call("group", job.group.as_ref());
    let alert = call("alert", job.alert.as_ref().map(rules));
    let labels = job.on.as_ref();
    let on = call("on", labels.map(|labels| quote!([#(#labels),*])));
    quote!(#made #restriction #policies #enabled #enabled_env #description #group #alert #on)
}

/// A call for each key that takes something from the schedule.
fn restriction(restriction: &Restriction) -> TokenStream {
    let start = call("start", restriction.start.as_ref());
    let end = call("end", restriction.end.as_ref());
    let within = call("within", restriction.within.as_ref());
    let items = restriction.except.as_ref();
    let except = call("except", items.map(|items| quote!([#(#items),*])));
    quote!(#start #end #within #except)
}

/// A call for each policy that the attribute has.
fn policies(policies: &Policies) -> TokenStream {
    POLICY_KEYS
        .iter()
        .filter_map(|key| call(key.name, key.get(policies).map(arguments)))
        .collect()
}

/// The rules of `alert(…)`, with a call for each.
fn rules(rules: &JobRules) -> TokenStream {
    let calls = RULE_KEYS.iter().filter_map(|key| {
        let value = match key.get(rules)? {
            RuleValue::Count(count) => Literal::u32_unsuffixed(count).into_token_stream(),
            RuleValue::Duration(time) => duration(time),
            RuleValue::Flag(flag) => quote!(#flag),
            RuleValue::Text(text) => quote!(#text),
            _ => return None,
        };
        call(key.name, Some(value))
    });
    quote!(__scheduled_one::JobRules::new() #(#calls)*)
}

/// The arguments of the method of a key with this value.
fn arguments(value: Value) -> Option<TokenStream> {
    match value {
        Value::Duration(time) => Some(duration(time)),
        Value::Count(count) => Some(Literal::u32_unsuffixed(count).into_token_stream()),
        Value::Overlap(word) => variant("Overlap", word),
        Value::Misfire(word) => variant("Misfire", word),
        Value::OnNodeLoss(word) => variant("OnNodeLoss", word),
        Value::OnLeaseLost(word) => variant("OnLeaseLost", word),
        Value::Route(word) => variant("Route", word),
        Value::Scope(word) => variant("Scope", word),
        Value::Backoff(backoff) => {
            let (least, most) = (duration(backoff.least), duration(backoff.most));
            Some(quote!(#least, #most))
        }
        Value::RetryOn(ends) => {
            let calls = [
                ("with_error", ends.error),
                ("with_panic", ends.panic),
                ("with_timeout", ends.timeout),
            ];
            let calls = calls
                .into_iter()
                .filter_map(|(method, retried)| call(method, retried.then_some(true)));
            Some(quote!(__scheduled_one::RetryOn::NONE #(#calls)*))
        }
        _ => None,
    }
}

/// `.method(arguments)`, if there are arguments.
fn call(method: &str, arguments: Option<impl ToTokens>) -> Option<TokenStream> {
    let method = Ident::new(method, Span::call_site());
    arguments.map(|arguments| quote!(.#method(#arguments)))
}

/// The expression for a variant of a policy's enum. Its `Debug` form is also its Rust form.
fn variant(name: &str, value: impl Debug) -> Option<TokenStream> {
    format!("__scheduled_one::{name}::{value:?}").parse().ok()
}

/// The constant with the default name, if the job has no other. An error of its check is at the function's name.
fn name(job: &Job) -> Option<TokenStream> {
    let Name::OfFunction = job.name else {
        return None;
    };
    let ident = &job.function.ident;
    let text = ident.unraw().to_string();
    let span = at(ident.span());
    let checked = quote_spanned! {span=>
        __scheduled_one::default_name(::core::concat!(::core::module_path!(), "::", #text))
    };
    Some(quote!(const __SCHEDULED_ONE_NAME: &::core::primitive::str = #checked;))
}

/// The function and its proofs. Each call has the span of the user's own token, so rustc reports a type that
/// does not fit at the argument or the result, and a future that is not `Send` at the name.
fn function(function: &Function) -> TokenStream {
    let ident = &function.ident;
    let arguments = function.arguments.iter().map(|ty| {
        let span = at(ty.span());
        quote_spanned!(span=> __scheduled_one::argument::<#ty>())
    });
    let returned = match &function.output {
        // A type that cannot stand in an expression is inferred from the function.
        Some(ty) if matches!(ty, Type::Never(_)) || names_no_type(ty) => {
            let span = at(ty.span());
            quote_spanned!(span=> __scheduled_one::returned::<_>())
        }
        Some(ty) => {
            let span = at(ty.span());
            quote_spanned!(span=> __scheduled_one::returned::<#ty>())
        }
        None => quote!(__scheduled_one::returned::<()>()),
    };
    let arguments = quote!((#(#arguments,)*));
    let span = at(ident.span());
    quote_spanned!(span=> __scheduled_one::function(#ident, #arguments, #returned))
}

/// A span at the user's token with the macro's hygiene, so that lints treat the code as generated.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

fn duration(duration: Duration) -> TokenStream {
    // The parser limits durations to `u64::MAX` milliseconds.
    let ms = Literal::u128_unsuffixed(duration.as_millis());
    quote!(__scheduled_one::Duration::from_millis(#ms))
}
