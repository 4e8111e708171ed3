//! The keys of one attribute, with their values.
//!
//! The list is cut at its commas first and each piece is parsed alone, so that one mistake hides no other.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, LitStr, Path, Token};

use crate::errors::Errors;
use crate::keys::{self, Key, Syntax};
use crate::values::{self, string};

/// The list in the parentheses of the attribute.
#[derive(Default)]
pub(crate) struct Args {
    entries: Vec<Entry>,
}

/// One `key = value`.
struct Entry {
    name: &'static str,
    ident: Ident,
    /// `None` if the value was refused already.
    value: Option<Written>,
}

/// A value, by the syntax of its key.
enum Written {
    Text(LitStr),
    Texts(Vec<LitStr>),
    Path(Path),
    Bare(TokenStream),
}

impl Args {
    /// Parses each piece; a piece that does not parse is pushed to `errors`.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Args::default();
        for piece in pieces(tokens) {
            let parser = |input: ParseStream<'_>| args.entry(input);
            match parser.parse2(piece) {
                Ok(Ok(())) => {}
                Ok(Err(error)) | Err(error) => errors.push(error),
            }
        }
        args
    }

    /// The token of a key, if the key was written.
    pub(crate) fn key(&self, key: &Key) -> Option<&Ident> {
        self.find(key).map(|entry| &entry.ident)
    }

    /// The value of a key that takes text, if a text was written.
    pub(crate) fn text(&self, key: &Key) -> Option<&LitStr> {
        match self.find(key)?.value.as_ref()? {
            Written::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key that takes a list of texts, if such a list was written.
    pub(crate) fn texts(&self, key: &Key) -> Option<&[LitStr]> {
        match self.find(key)?.value.as_ref()? {
            Written::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// The value of a key that takes a path, if a path was written.
    pub(crate) fn path(&self, key: &Key) -> Option<&Path> {
        match self.find(key)?.value.as_ref()? {
            Written::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The tokens of a key that takes words or numbers.
    pub(crate) fn bare(&self, key: &Key) -> Option<&TokenStream> {
        match self.find(key)?.value.as_ref()? {
            Written::Bare(tokens) => Some(tokens),
            _ => None,
        }
    }

    /// An error on the value of the key of that name.
    pub(crate) fn error_at_value(&self, key: &str, message: &str) -> Error {
        let entry = self.entries.iter().find(|entry| entry.ident == key);
        match entry.and_then(|entry| entry.value.as_ref()) {
            Some(Written::Text(text)) => Error::new(text.span(), message),
            Some(Written::Texts(texts)) => {
                let texts: TokenStream = texts.iter().map(LitStr::to_token_stream).collect();
                Error::new_spanned(texts, message)
            }
            Some(Written::Path(path)) => Error::new_spanned(path, message),
            Some(Written::Bare(tokens)) => Error::new_spanned(tokens, message),
            None => Error::new(Span::call_site(), message),
        }
    }

    /// An error on the key.
    pub(crate) fn error_at_key(&self, key: &Key, message: &str) -> Error {
        let span = self.key(key).map_or_else(Span::call_site, Ident::span);
        Error::new(span, message)
    }

    /// An error about two keys, on the later of the two.
    pub(crate) fn error_at_later(&self, keys: [&str; 2], message: &str) -> Error {
        let is_one = |entry: &&Entry| keys.iter().any(|key| entry.ident == key);
        let later = self.entries.iter().rfind(is_one);
        let span = later.map_or_else(Span::call_site, |entry| entry.ident.span());
        Error::new(span, message)
    }

    fn find(&self, key: &Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == key.name)
    }

    /// Parses one `key = value`. The outer error is syn's own, for tokens behind the value.
    fn entry(&mut self, input: ParseStream<'_>) -> syn::Result<syn::Result<()>> {
        if !input.peek(syn::Ident::peek_any) {
            let rest: TokenStream = input.parse()?;
            return Ok(Err(missing_key(rest)));
        }
        let ident = input.call(Ident::parse_any)?;
        let equals: Option<Token![=]> = input.parse()?;
        let rest: TokenStream = input.parse()?;
        let key = match keys::find(&ident) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        if self.key(&key).is_some() {
            let message = format!("the key `{}` is given twice", key.name);
            return Ok(Err(Error::new(ident.span(), message)));
        }
        let list = values::parenthesized(&rest);
        let value = match (equals, list) {
            (None, Some(_)) if matches!(key.syntax, Syntax::BareList | Syntax::TextList) => {
                key.value(rest)
            }
            (None, Some(list)) if key.syntax == Syntax::Rules => Ok(Written::Bare(list)),
            (Some(_), _) if key.syntax == Syntax::Rules => {
                let message = format!(
                    "`{}` takes its rules in parentheses, directly after it\nhelp: write `{}`",
                    key.name,
                    key.line()
                );
                Err(Error::new(ident.span(), message))
            }
            (Some(_), _) if !rest.is_empty() => key.value(rest),
            (None, Some(list)) if !list.is_empty() => {
                let name = key.name;
                let message =
                    format!("`{name}` takes its value after a `=`\nhelp: write `{name} = {list}`");
                Err(Error::new_spanned(rest, message))
            }
            _ => {
                let message = format!("`{}` needs a value\nhelp: write `{}`", key.name, key.line());
                Err(Error::new(ident.span(), message))
            }
        };
        let (value, error) = match value {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.entries.push(Entry {
            name: key.name,
            ident,
            value,
        });
        Ok(error)
    }
}

impl Key {
    fn value(&self, tokens: TokenStream) -> syn::Result<Written> {
        if let Some(extra) = next_key(&tokens) {
            return Err(Error::new(extra, "expected `,` before the next key"));
        }
        match self.syntax {
            Syntax::Bare | Syntax::BareList | Syntax::Rules => Ok(Written::Bare(tokens)),
            Syntax::TextList => values::texts(self, &tokens).map(Written::Texts),
            Syntax::Text | Syntax::Range => match string(&tokens) {
                Some(text) => Ok(Written::Text(text)),
                None => {
                    let message = format!(
                        "`{}` takes a string literal, as it is read at compile time\nhelp: {}",
                        self.name,
                        self.in_quotes(&tokens)
                    );
                    Err(Error::new_spanned(tokens, message))
                }
            },
            Syntax::Path => {
                let path = match string(&tokens) {
                    Some(text) => text.parse_with(Path::parse_mod_style),
                    None => Path::parse_mod_style.parse2(tokens.clone()),
                };
                path.map(Written::Path).map_err(|_| {
                    let message = format!(
                        "`{}` takes a path\nhelp: write it as in `{}`",
                        self.name,
                        self.line()
                    );
                    Error::new_spanned(tokens, message)
                })
            }
        }
    }

    /// The help for a value without quotes: the same value in quotes if it is a duration, else the example.
    fn in_quotes(&self, tokens: &TokenStream) -> String {
        let written = tokens.to_string().replace(' ', "");
        let is_meant = match self.syntax {
            Syntax::Range => values::backoff(&written).is_ok(),
            _ => scheduled_one_schedule::parse_duration(&written).is_ok(),
        };
        if is_meant {
            format!("write `{} = \"{written}\"`", self.name)
        } else {
            format!("write it as in `{}`", self.line())
        }
    }
}

/// The error for a piece that does not start with a name.
fn missing_key(tokens: TokenStream) -> Error {
    let Ok(text) = syn::parse2::<LitStr>(tokens.clone()) else {
        let message = "expected `key = value`, such as `cron = \"0 30 2 * * *\"`";
        return Error::new_spanned(tokens, message);
    };
    let key = match scheduled_one_schedule::parse_duration(&text.value()) {
        Ok(_) => "every",
        Err(_) => "cron",
    };
    let message = format!(
        "this value has no key\nhelp: write `{key} = {:?}`",
        text.value()
    );
    Error::new_spanned(tokens, message)
}

/// The place where a comma is missing: a value ends, and another `key =` or a stray literal begins.
fn next_key(tokens: &TokenStream) -> Option<Span> {
    let mut tokens = tokens.clone().into_iter();
    let mut before = tokens.next()?;
    for token in tokens {
        let ended = !matches!(before, TokenTree::Punct(_));
        if ended && matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_)) {
            return Some(token.span());
        }
        before = token;
    }
    None
}

/// Cuts the list at its commas. Two commas in a row leave an empty piece, which is dropped without an error.
pub(crate) fn pieces(tokens: TokenStream) -> Vec<TokenStream> {
    let mut pieces = vec![TokenStream::new()];
    for token in tokens {
        match (&token, pieces.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' => {
                pieces.push(TokenStream::new());
            }
            (_, Some(piece)) => piece.extend([token]),
            (_, None) => {}
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
