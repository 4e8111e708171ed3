//! The attribute, as a function of tokens that tests can make, too.

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::item::Item;
use crate::{expand, fallback, job, validate};

/// Expands the attribute: to the item and its registration, or to the item and the errors.
pub(crate) fn scheduled(args: TokenStream, item: TokenStream) -> TokenStream {
    match job(args, item.clone()) {
        Ok(job) => expand::expand(&job, &item),
        Err(error) => fallback::expand(&error, &item),
    }
}

/// Reads and checks the tokens; after a mistake the checks go on, to find the next one.
fn job(args: TokenStream, item: TokenStream) -> syn::Result<job::Job> {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = errors.keep(Item::parse(item));
    match item {
        Some(item) => validate::job(&args, &item, errors),
        None => errors.into_result(None),
    }
}
