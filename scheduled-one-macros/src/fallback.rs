//! With a mistake in the attribute: the errors, and the item all the same, so
//! that rustc does not go on to say that the function is missing.

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn expand(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    quote! {
        #item
        #errors
    }
}
