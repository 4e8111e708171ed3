//! The keys of the attribute: which there are, and which were written.
//!
//! The list is cut at its commas first and each piece is read alone, so that
//! one mistake hides no other.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, LitStr, Path, Token};

use crate::errors::Errors;
use crate::suggest;

/// What may be said of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Cron,
    Every,
    Offset,
    Name,
    Tz,
    Lease,
    Timeout,
    Description,
    Crate,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `"…"`
    Text,
    /// `a::b`, or the same in quotes.
    Path,
}

/// One key.
struct Row {
    key: Key,
    name: &'static str,
    form: Form,
    /// Something to paste.
    example: &'static str,
    /// What other schedulers call it, for "did you mean".
    aliases: &'static [&'static str],
}

/// The one table of keys, in the order in which they are listed to people.
#[rustfmt::skip]
const KEYS: [Row; 9] = [
    Row { key: Key::Cron, name: "cron", form: Form::Text, example: r#"cron = "0 30 2 * * *""#,
          aliases: &["schedule", "expression", "expr"] },
    Row { key: Key::Every, name: "every", form: Form::Text, example: r#"every = "90s""#,
          aliases: &["interval", "period", "rate", "fixed_rate", "fixed_delay", "each"] },
    Row { key: Key::Offset, name: "offset", form: Form::Text, example: r#"offset = "10s""#,
          aliases: &["initial_delay", "delay", "shift", "start"] },
    Row { key: Key::Name, name: "name", form: Form::Text, example: r#"name = "nightly-report""#,
          aliases: &["id", "job", "key"] },
    Row { key: Key::Tz, name: "tz", form: Form::Text, example: r#"tz = "Europe/Berlin""#,
          aliases: &["zone", "timezone", "time_zone"] },
    Row { key: Key::Lease, name: "lease", form: Form::Text, example: r#"lease = "5s""#,
          aliases: &["lock", "ttl", "lock_at_most_for", "lock_ttl"] },
    Row { key: Key::Timeout, name: "timeout", form: Form::Text, example: r#"timeout = "10m""#,
          aliases: &["max_duration", "deadline"] },
    Row { key: Key::Description, name: "description", form: Form::Text,
          example: r#"description = "Sends the daily report""#, aliases: &["doc", "about"] },
    Row { key: Key::Crate, name: "crate", form: Form::Path, example: "crate = scheduled_one_runtime",
          aliases: &["krate", "path"] },
];

/// What was written in the parentheses.
#[derive(Default)]
pub(crate) struct Args {
    entries: Vec<Entry>,
}

struct Entry {
    key: Key,
    ident: Ident,
    /// None if it was refused already.
    value: Option<Value>,
}

enum Value {
    Text(LitStr),
    Path(Path),
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
    pub(crate) fn key(&self, key: Key) -> Option<&Ident> {
        self.find(key).map(|entry| &entry.ident)
    }

    /// The value of a key that takes text, if it was written and is text.
    pub(crate) fn text(&self, key: Key) -> Option<&LitStr> {
        match self.find(key)?.value.as_ref()? {
            Value::Text(text) => Some(text),
            Value::Path(_) => None,
        }
    }

    /// The value of a key that takes a path, if it was written and is one.
    pub(crate) fn path(&self, key: Key) -> Option<&Path> {
        match self.find(key)?.value.as_ref()? {
            Value::Path(path) => Some(path),
            Value::Text(_) => None,
        }
    }

    /// Which of the keys it is, counted from the first.
    pub(crate) fn position(&self, key: Key) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }

    fn find(&self, key: Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
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
        let Some(row) = row(&ident) else {
            return Ok(Err(unknown_key(&ident)));
        };
        if self.key(row.key).is_some() {
            let message = format!("the key `{}` is given twice", row.name);
            return Ok(Err(Error::new(ident.span(), message)));
        }
        let value = match equals {
            Some(_) if !rest.is_empty() => row.value(rest),
            _ => {
                let message = format!(
                    "`{}` needs a value\nhelp: write `{}`",
                    row.name, row.example
                );
                Err(Error::new(ident.span(), message))
            }
        };
        let (value, told) = match value {
            Ok(value) => (Some(value), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.entries.push(Entry {
            key: row.key,
            ident,
            value,
        });
        Ok(told)
    }
}

impl Row {
    fn value(&self, tokens: TokenStream) -> syn::Result<Value> {
        if let Some(extra) = after_first_literal(&tokens) {
            return Err(Error::new(extra, "expected `,` before the next key"));
        }
        let text = syn::parse2::<LitStr>(tokens.clone())
            .ok()
            .filter(|text| text.suffix().is_empty());
        match (self.form, text) {
            (Form::Text, Some(text)) => Ok(Value::Text(text)),
            (Form::Text, None) => {
                let message = format!(
                    "`{}` takes a string literal, as it is read at compile time\nhelp: write it as in `{}`",
                    self.name, self.example
                );
                Err(Error::new_spanned(tokens, message))
            }
            (Form::Path, text) => {
                let path = match &text {
                    Some(text) => text.parse_with(Path::parse_mod_style),
                    None => Path::parse_mod_style.parse2(tokens.clone()),
                };
                path.map(Value::Path).map_err(|_| {
                    let message = format!(
                        "`{}` takes a path\nhelp: write it as in `{}`",
                        self.name, self.example
                    );
                    Error::new_spanned(tokens, message)
                })
            }
        }
    }
}

fn row(ident: &Ident) -> Option<&'static Row> {
    KEYS.iter().find(|row| ident == row.name)
}

fn unknown_key(ident: &Ident) -> Error {
    let written = ident.to_string();
    let names: Vec<&str> = KEYS.iter().map(|row| row.name).collect();
    let alias = KEYS
        .iter()
        .find(|row| row.aliases.contains(&written.as_str()))
        .map(|row| row.name);
    let help = match alias.or_else(|| suggest::nearest(&written, &names)) {
        Some(name) => format!("\nhelp: did you mean `{name}`?"),
        None => String::new(),
    };
    let message = format!(
        "unknown key `{written}`; expected one of: `{}`{help}",
        names.join("`, `")
    );
    Error::new(ident.span(), message)
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

/// Where a second token begins, if the first is a literal.
fn after_first_literal(tokens: &TokenStream) -> Option<Span> {
    let mut tokens = tokens.clone().into_iter();
    match tokens.next()? {
        TokenTree::Literal(_) => tokens.next().map(|token| token.span()),
        _ => None,
    }
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
