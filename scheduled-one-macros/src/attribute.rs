//! The attribute, on tokens that tests can make, too.

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::item::Item;
use crate::{expand, fallback, job, validate};

/// What stands in place of the item: itself and its registration, or itself
/// and its errors.
pub(crate) fn scheduled(args: TokenStream, item: TokenStream) -> TokenStream {
    match job(args, item.clone()) {
        Ok(job) => expand::expand(&job, &item),
        Err(error) => fallback::expand(&error, &item),
    }
}

/// Reads and checks, and goes on after a mistake to find the next.
fn job(args: TokenStream, item: TokenStream) -> syn::Result<job::Job> {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = errors.keep(Item::parse(item));
    match item {
        Some(item) => validate::job(&args, &item, errors),
        None => errors.into_result(None),
    }
}
