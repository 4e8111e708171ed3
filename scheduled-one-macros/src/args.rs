//! The keys that were written, with their values.
//!
//! The list is cut at its commas first and each piece is read alone, so that
//! one mistake hides no other.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, LitStr, Path, Token};

use crate::errors::Errors;
use crate::keys::{self, Form, Key};
use crate::values::{self, string};

/// What was written in the parentheses.
#[derive(Default)]
pub(crate) struct Args {
    entries: Vec<Entry>,
}

struct Entry {
    name: &'static str,
    ident: Ident,
    /// `None` if the value was refused already.
    value: Option<Value>,
}

enum Value {
    Text(LitStr),
    Path(Path),
    Bare(TokenStream),
}

impl Args {
    /// Reads what is readable; the rest is told to `errors`.
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

    /// The key itself, if it was written.
    pub(crate) fn key(&self, key: &Key) -> Option<&Ident> {
        self.find(key).map(|entry| &entry.ident)
    }

    /// The value of a key that takes text, if it was written and is text.
    pub(crate) fn text(&self, key: &Key) -> Option<&LitStr> {
        match self.find(key)?.value.as_ref()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key that takes a path, if it was written and is one.
    pub(crate) fn path(&self, key: &Key) -> Option<&Path> {
        match self.find(key)?.value.as_ref()? {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The value of a key that takes words or numbers, not read yet.
    pub(crate) fn bare(&self, key: &Key) -> Option<&TokenStream> {
        match self.find(key)?.value.as_ref()? {
            Value::Bare(tokens) => Some(tokens),
            _ => None,
        }
    }

    /// An error on the value of the key of that name.
    pub(crate) fn error_at_value(&self, key: &str, message: &str) -> Error {
        let entry = self.entries.iter().find(|entry| entry.ident == key);
        match entry.and_then(|entry| entry.value.as_ref()) {
            Some(Value::Text(text)) => Error::new(text.span(), message),
            Some(Value::Path(path)) => Error::new_spanned(path, message),
            Some(Value::Bare(tokens)) => Error::new_spanned(tokens, message),
            None => Error::new(Span::call_site(), message),
        }
    }

    /// An error of two keys, on the one that came later.
    pub(crate) fn error_at_later(&self, keys: [&str; 2], message: &str) -> Error {
        let is_one = |entry: &&Entry| keys.iter().any(|key| entry.ident == key);
        let later = self.entries.iter().rfind(is_one);
        let span = later.map_or_else(Span::call_site, |entry| entry.ident.span());
        Error::new(span, message)
    }

    fn find(&self, key: &Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == key.name)
    }

    /// Reads one `key = value`. The outer error is syn's own, for leftovers.
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
            (None, Some(_)) if key.form == Form::BareList => key.value(rest),
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
        let (value, told) = match value {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.entries.push(Entry {
            name: key.name,
            ident,
            value,
        });
        Ok(told)
    }
}

impl Key {
    fn value(&self, tokens: TokenStream) -> syn::Result<Value> {
        if let Some(extra) = next_key(&tokens) {
            return Err(Error::new(extra, "expected `,` before the next key"));
        }
        match self.form {
            Form::Bare | Form::BareList => Ok(Value::Bare(tokens)),
            Form::Text | Form::Range => match string(&tokens) {
                Some(text) => Ok(Value::Text(text)),
                None => {
                    let message = format!(
                        "`{}` takes a string literal, as it is read at compile time\nhelp: {}",
                        self.name,
                        self.in_quotes(&tokens)
                    );
                    Err(Error::new_spanned(tokens, message))
                }
            },
            Form::Path => {
                let path = match string(&tokens) {
                    Some(text) => text.parse_with(Path::parse_mod_style),
                    None => Path::parse_mod_style.parse2(tokens.clone()),
                };
                path.map(Value::Path).map_err(|_| {
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

    /// What was meant by a duration without quotes; else the example.
    fn in_quotes(&self, tokens: &TokenStream) -> String {
        let written = tokens.to_string().replace(' ', "");
        let is_meant = match self.form {
            Form::Range => values::backoff(&written).is_ok(),
            _ => scheduled_one_schedule::parse_duration(&written).is_ok(),
        };
        if is_meant {
            format!("write `{} = \"{written}\"`", self.name)
        } else {
            format!("write it as in `{}`", self.line())
        }
    }
}

/// A piece that does not start with a name.
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

/// Where a value ends and another `key =` or a stray literal begins: there is
/// a comma missing.
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

/// Cuts at the commas. Two commas in a row leave nothing between them, and
/// that is no mistake worth an error.
fn pieces(tokens: TokenStream) -> Vec<TokenStream> {
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
