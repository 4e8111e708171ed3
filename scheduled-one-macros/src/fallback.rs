//! The expansion of an attribute with mistakes: the errors, and the item, so that rustc does not also report a
//! missing function.

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn expand(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    quote! {
        #item
        #errors
    }
}
