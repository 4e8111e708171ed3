//! Any tokens as the attribute's arguments, on any tokens as its item.

use proc_macro2::TokenStream;

use crate::attribute::scheduled;

/// The parser recurses, and this is run on the small stacks of tests.
const MAX_NESTING: usize = 48;

/// Arguments in the first line, the item behind it. Whatever they are, the
/// attribute gives back items, the function among them, and never panics.
pub fn attribute(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    // Deep nesting is the compiler's business before it is ours.
    if nesting(text) > MAX_NESTING {
        return;
    }
    let (args, item) = text.split_once('\n').unwrap_or((text, "async fn f() {}"));
    let tokens = |text: &str| text.parse::<TokenStream>().ok();
    let (Some(args), Some(item)) = (tokens(args), tokens(item)) else {
        return;
    };
    let output = scheduled(args, item.clone());
    if let Ok(function) = syn::parse2::<syn::ItemFn>(item) {
        let file = match syn::parse2::<syn::File>(output.clone()) {
            Ok(file) => file,
            Err(error) => panic!("the expansion is not items: {error}: {output}"),
        };
        let is_kept = |item: &syn::Item| match item {
            syn::Item::Fn(kept) => kept.sig.ident == function.sig.ident,
            _ => false,
        };
        assert!(file.items.iter().any(is_kept), "the item is gone: {output}");
    }
}

/// How deep brackets are nested, or operators stand before one another.
fn nesting(text: &str) -> usize {
    let (mut depth, mut in_a_row, mut deepest) = (0_usize, 0, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        in_a_row = if byte.is_ascii_punctuation() {
            in_a_row + 1
        } else {
            0
        };
        match byte {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth).max(in_a_row);
    }
    deepest
}
