//! Values that are no text: words, numbers, lists of words. Whatever is written, the error shows the form that
//! is right.

use std::time::Duration;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use scheduled_one_schedule::parse_duration;
use scheduled_one_schedule::policy::{Backoff, Meaning, Value, Word};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitBool, LitInt, LitStr, Token};

use crate::errors::Errors;
use crate::keys::Key;
use crate::suggest;

/// Reads one of the words, with its number if it has one.
pub(crate) fn word(key: &Key, words: &[Word], tokens: &TokenStream) -> syn::Result<Value> {
    let name = key.name;
    let refused = |message: String| Err(Error::new_spanned(tokens, message));
    if let Some(text) = string(tokens) {
        return refused(in_quotes(name, words, &text.value()));
    }
    let mut rest = tokens.clone().into_iter();
    let Some(TokenTree::Ident(written)) = rest.next() else {
        return refused(format!(
            "`{name}` takes a word, one of: {}\nhelp: write it as in `{}`",
            shapes(words),
            key.line()
        ));
    };
    let rest: TokenStream = rest.collect();
    let Some(word) = words.iter().find(|word| written == word.word) else {
        // Of a path such as `Overlap::Skip`, the last word is meant.
        let last = rest.into_iter().filter_map(ident).last().unwrap_or(written);
        return refused(format!(
            "unknown value of `{name}`; expected one of: {}{}",
            shapes(words),
            did_you_mean(words, &last.to_string())
        ));
    };
    match word.means {
        Meaning::Alone(value) if rest.is_empty() => Ok(value),
        Meaning::Alone(_) => refused(format!(
            "`{written}` takes no argument\nhelp: write `{name} = {written}`"
        )),
        Meaning::Counted { name: n, make, .. } => {
            let number = match parenthesized(&rest) {
                Some(tokens) => number(&tokens),
                None => Err("takes a whole number in parentheses"),
            };
            number.map(make).or_else(|why| {
                refused(format!(
                    "`{written}` {why}\nhelp: write `{name} = {}`, with your own `{n}`",
                    word.example()
                ))
            })
        }
    }
}

/// The message for a word in quotes. The text is not parsed as tokens, because rustc itself reports a text
/// that is not tokens.
fn in_quotes(key: &str, words: &[Word], text: &str) -> String {
    let (written, rest) = text.split_at(text.find('(').unwrap_or(text.len()));
    let number = rest.trim_start_matches('(').trim_end_matches(')');
    let Some(word) = words.iter().find(|word| word.word == written.trim()) else {
        return format!(
            "`{key}` takes a word without quotes, one of: {}{}",
            shapes(words),
            did_you_mean(words, text)
        );
    };
    let meant = match word.means {
        Meaning::Counted { .. } if number.parse::<u32>().is_ok() => {
            format!("{}({number})", word.word)
        }
        _ => word.example(),
    };
    format!("`{key}` takes a word without quotes\nhelp: write `{key} = {meant}`")
}

/// Reads `[a, b]` or `(a, b)`: at least one of the words, none twice. The value is what all of them say
/// together.
pub(crate) fn list(key: &Key, words: &[Word], tokens: &TokenStream) -> syn::Result<Value> {
    let line = key.line();
    let key_name = key.name;
    let refused = |tokens: &dyn quote::ToTokens, message: String| {
        let help = format!("\nhelp: write it as in `{line}`");
        Err(Error::new_spanned(tokens, message + &help))
    };
    let items =
        |input: ParseStream<'_>| Punctuated::<TokenTree, Token![,]>::parse_terminated(input);
    let items = match only_group(tokens) {
        Some(list) if list.delimiter() != Delimiter::Brace => items.parse2(list.stream()),
        _ => {
            return refused(
                tokens,
                format!("`{key_name}` takes a list of words without quotes"),
            );
        }
    };
    let Ok(items) = items else {
        return refused(
            tokens,
            format!("`{key_name}` takes words with `,` between them"),
        );
    };
    let mut read: Option<Value> = None;
    for (nth, item) in items.iter().enumerate() {
        let is_same = |earlier: &TokenTree| earlier.to_string() == item.to_string();
        if items.iter().take(nth).any(is_same) {
            return refused(item, format!("`{key_name}` names `{item}` twice"));
        }
        if let Some(text) = string(&TokenTree::clone(item).into()) {
            return refused(
                item,
                format!("`{}` is written without quotes", text.value()),
            );
        }
        let value = word(key, words, &item.clone().into())?;
        read = Some(read.map_or(value, |read| read.and(value)));
    }
    match read {
        Some(value) => Ok(value),
        None => refused(tokens, format!("`{key_name}` names nothing")),
    }
}

/// Reads `["a", "b"]` or `("a", "b")`: at least one text.
pub(crate) fn texts(key: &Key, tokens: &TokenStream) -> syn::Result<Vec<LitStr>> {
    let (name, line) = (key.name, key.line());
    let refused = |tokens: &TokenStream, message: String, help: String| {
        Error::new_spanned(
            tokens,
            format!(
                "{message}
help: {help}"
            ),
        )
    };
    if let Some(text) = string(tokens) {
        let help = format!("write `{name} = [{:?}]`", text.value());
        return Err(refused(tokens, format!("`{name}` takes a list"), help));
    }
    let items =
        |input: ParseStream<'_>| Punctuated::<TokenTree, Token![,]>::parse_terminated(input);
    let items = match only_group(tokens) {
        Some(list) if list.delimiter() != Delimiter::Brace => items.parse2(list.stream()).ok(),
        _ => None,
    };
    let Some(items) = items else {
        let message =
            format!("`{name}` takes a list of string literals, as it is read at compile time");
        return Err(refused(tokens, message, format!("write it as in `{line}`")));
    };
    if items.is_empty() {
        let help = format!("write it as in `{line}`, or leave `{name}` out");
        return Err(refused(tokens, format!("`{name}` names nothing"), help));
    }
    let text = |item: TokenTree| {
        let help = match &item {
            TokenTree::Ident(word) => format!("write `\"{word}\"`"),
            _ => format!("write it as in `{line}`"),
        };
        let item = TokenStream::from(item);
        let message = format!("`{item}` of `{name}` is no string literal");
        string(&item).ok_or_else(|| refused(&item, message, help))
    };
    let mut texts = Vec::new();
    let mut errors = Errors::default();
    for item in items {
        texts.extend(errors.keep(text(item)));
    }
    errors.into_result(Some(texts))
}

/// Reads a whole number; its range is checked later.
pub(crate) fn count(key: &Key, tokens: &TokenStream) -> syn::Result<u32> {
    number(tokens).map_err(|why| {
        let help = match string(tokens).map(|text| text.value()) {
            Some(text) if text.parse::<u32>().is_ok() => {
                format!("write `{} = {text}`, without quotes", key.name)
            }
            _ => format!("write it as in `{}`", key.line()),
        };
        let message = format!("`{}` {why}\nhelp: {help}", key.name);
        Error::new_spanned(tokens, message)
    })
}

fn number(tokens: &TokenStream) -> Result<u32, &'static str> {
    const NO_NUMBER: &str = "takes a whole number, as it is read at compile time";
    let number: LitInt = syn::parse2(tokens.clone()).map_err(|_| NO_NUMBER)?;
    if !number.suffix().is_empty() {
        return Err("takes a whole number without a unit or a type");
    }
    number.base10_parse().map_err(|_| {
        if number.base10_digits().starts_with('-') {
            NO_NUMBER
        } else {
            "takes a smaller number"
        }
    })
}

/// Reads `true` or `false`.
pub(crate) fn boolean(key: &Key, tokens: &TokenStream) -> syn::Result<bool> {
    if let Ok(value) = syn::parse2::<LitBool>(tokens.clone()) {
        return Ok(value.value);
    }
    let key = key.name;
    let written = tokens.to_string().to_ascii_lowercase();
    let meant = match written.trim_matches('"') {
        word @ ("true" | "false") => format!("write `{key} = {word}`"),
        _ => format!(
            "write `{key} = true` or `{key} = false`; for what is known only at run time there is \
             `{key}_env`"
        ),
    };
    let quotes = string(tokens).map_or("", |_| " without quotes");
    let message = format!("`{key}` takes `true` or `false`{quotes}\nhelp: {meant}");
    Err(Error::new_spanned(tokens, message))
}

/// Parses `1s..60s`. The error is a message and a help.
pub(crate) fn backoff(text: &str) -> Result<Backoff, (String, String)> {
    let duration = |part: &str| -> Result<Duration, (String, String)> {
        parse_duration(part).map_err(|error| {
            let help = error.help().unwrap_or("write it as in `1s..60s`");
            (error.message().to_owned(), help.to_owned())
        })
    };
    let Some((least, most)) = text.split_once("..") else {
        let help = match parse_duration(text) {
            Ok(_) => format!("write `{text}..{text}` if all waits have the same bound"),
            Err(_) => "write it as in `1s..60s`".to_owned(),
        };
        return Err((
            "a backoff is two durations with `..` between them".to_owned(),
            help,
        ));
    };
    Ok(Backoff::new(duration(least)?, duration(most)?))
}

fn shapes(words: &[Word]) -> String {
    let shapes: Vec<String> = words.iter().map(Word::shape).collect();
    format!("`{}`", shapes.join("`, `"))
}

fn did_you_mean(words: &[Word], written: &str) -> String {
    let written = written.to_ascii_lowercase();
    let names: Vec<&str> = words.iter().map(|word| word.word).collect();
    let by_alias = words
        .iter()
        .find(|word| word.aliases.contains(&written.as_str()))
        .map(|word| word.word);
    let meant = by_alias.or_else(|| suggest::nearest(&written, &names));
    let meant = meant.and_then(|name| words.iter().find(|word| word.word == name));
    match meant {
        Some(word) => format!("\nhelp: did you mean `{}`?", word.shape()),
        None => String::new(),
    }
}

fn ident(token: TokenTree) -> Option<Ident> {
    match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    }
}

/// The string literal, if the tokens are one.
pub(crate) fn string(tokens: &TokenStream) -> Option<LitStr> {
    let text = syn::parse2::<LitStr>(tokens.clone()).ok();
    text.filter(|text| text.suffix().is_empty())
}

/// The tokens in parentheses, if the tokens are one group in parentheses.
pub(crate) fn parenthesized(tokens: &TokenStream) -> Option<TokenStream> {
    let group = only_group(tokens)?;
    (group.delimiter() == Delimiter::Parenthesis).then(|| group.stream())
}

fn only_group(tokens: &TokenStream) -> Option<Group> {
    let mut tokens = tokens.clone().into_iter();
    match (tokens.next()?, tokens.next()) {
        (TokenTree::Group(group), None) => Some(group),
        _ => None,
    }
}
