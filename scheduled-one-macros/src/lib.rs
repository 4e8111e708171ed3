//! The `#[scheduled_one]` attribute. Use it through `scheduled-one-runtime`,
//! which exports it.

// In the order in which an attribute meets them.
mod args;
mod errors;
mod expand;
mod fallback;
mod item;
mod job;
mod suggest;
mod validate;

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::item::Item;

/// Makes a scheduled job of an `async fn`.
#[proc_macro_attribute]
pub fn scheduled_one(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    scheduled(args.into(), item.into()).into()
}

fn scheduled(args: TokenStream, item: TokenStream) -> TokenStream {
    match job(args, item.clone()) {
        Ok(job) => expand::expand(&job, &item),
        Err(error) => fallback::expand(&error, &item),
    }
}

fn job(args: TokenStream, item: TokenStream) -> syn::Result<job::Job> {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = errors.keep(Item::parse(item));
    match item {
        Some(item) => validate::job(&args, &item, errors),
        None => errors.into_result(None),
    }
}
