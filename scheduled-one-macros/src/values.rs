//! Values that are no text: words, numbers, lists of words. Whatever is
//! written, the error shows the form that is right.

use std::time::Duration;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use scheduled_one_schedule::parse_duration;
use scheduled_one_schedule::policy::Backoff;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitBool, LitInt, LitStr, Token};

use crate::keys::Row;
use crate::suggest;

/// One of the words that a key takes, and what it stands for.
pub(crate) struct Choice<T: 'static> {
    pub(crate) word: &'static str,
    pub(crate) means: Meaning<T>,
    /// What other schedulers call it, for "did you mean".
    pub(crate) aliases: &'static [&'static str],
}

pub(crate) enum Meaning<T> {
    /// `word`
    Alone(T),
    /// `word(n)`: the name of the number, a number to paste, what it makes.
    Counted(&'static str, u32, fn(u32) -> T),
}

impl<T> Choice<T> {
    /// `queue_all(n)`
    fn shape(&self) -> String {
        match self.means {
            Meaning::Alone(_) => self.word.to_owned(),
            Meaning::Counted(number, ..) => format!("{}({number})", self.word),
        }
    }

    /// `queue_all(10)`
    fn example(&self) -> String {
        match self.means {
            Meaning::Alone(_) => self.word.to_owned(),
            Meaning::Counted(_, number, _) => format!("{}({number})", self.word),
        }
    }
}

/// Reads one of the words, with its number if it has one.
pub(crate) fn choice<T: Copy>(
    row: &Row,
    choices: &[Choice<T>],
    tokens: &TokenStream,
) -> syn::Result<T> {
    let key = row.name;
    let refused = |message: String| Err(Error::new_spanned(tokens, message));
    if let Some(text) = string(tokens) {
        return refused(in_quotes(key, choices, &text.value()));
    }
    let mut rest = tokens.clone().into_iter();
    let Some(TokenTree::Ident(word)) = rest.next() else {
        return refused(format!(
            "`{key}` takes a word, one of: {}\nhelp: write it as in `{}`",
            shapes(choices),
            row.example
        ));
    };
    let rest: TokenStream = rest.collect();
    let Some(choice) = choices.iter().find(|choice| word == choice.word) else {
        // Of a path such as `Overlap::Skip`, the last word is meant.
        let last = rest.into_iter().filter_map(ident).last().unwrap_or(word);
        return refused(format!(
            "unknown value of `{key}`; expected one of: {}{}",
            shapes(choices),
            did_you_mean(choices, &last.to_string())
        ));
    };
    match choice.means {
        Meaning::Alone(value) if rest.is_empty() => Ok(value),
        Meaning::Alone(_) => refused(format!(
            "`{word}` takes no argument\nhelp: write `{key} = {word}`"
        )),
        Meaning::Counted(name, _, make) => {
            let number = match parenthesized(&rest) {
                Some(tokens) => number(&tokens),
                None => Err("takes a whole number in parentheses"),
            };
            number.map(make).or_else(|why| {
                refused(format!(
                    "`{word}` {why}\nhelp: write `{key} = {}`, with your own `{name}`",
                    choice.example()
                ))
            })
        }
    }
}

/// What is wrong with a word in quotes. It is not read as tokens: rustc tells
/// the user of a text that has none.
fn in_quotes<T>(key: &str, choices: &[Choice<T>], text: &str) -> String {
    let (word, rest) = text.split_at(text.find('(').unwrap_or(text.len()));
    let number = rest.trim_start_matches('(').trim_end_matches(')');
    let Some(choice) = choices.iter().find(|choice| choice.word == word.trim()) else {
        return format!(
            "`{key}` takes a word without quotes, one of: {}{}",
            shapes(choices),
            did_you_mean(choices, text)
        );
    };
    let meant = match choice.means {
        Meaning::Counted(..) if number.parse::<u32>().is_ok() => {
            format!("{}({number})", choice.word)
        }
        _ => choice.example(),
    };
    format!("`{key}` takes a word without quotes\nhelp: write `{key} = {meant}`")
}

/// Reads `[a, b]` or `(a, b)`: at least one of the words, none twice.
pub(crate) fn list<T: Copy>(
    row: &Row,
    choices: &[Choice<T>],
    tokens: &TokenStream,
) -> syn::Result<Vec<T>> {
    let key = row.name;
    let refused = |tokens: &dyn quote::ToTokens, message: String| {
        let help = format!("\nhelp: write it as in `{}`", row.example);
        Err(Error::new_spanned(tokens, message + &help))
    };
    let words =
        |input: ParseStream<'_>| Punctuated::<TokenTree, Token![,]>::parse_terminated(input);
    let words = match only_group(tokens) {
        Some(list) if list.delimiter() != Delimiter::Brace => words.parse2(list.stream()),
        _ => {
            return refused(
                tokens,
                format!("`{key}` takes a list of words without quotes"),
            );
        }
    };
    let Ok(words) = words else {
        return refused(tokens, format!("`{key}` takes words with `,` between them"));
    };
    if words.is_empty() {
        return refused(tokens, format!("`{key}` names nothing"));
    }
    let mut read: Vec<T> = Vec::new();
    for (nth, word) in words.iter().enumerate() {
        let is_same = |earlier: &TokenTree| earlier.to_string() == word.to_string();
        if words.iter().take(nth).any(is_same) {
            return refused(word, format!("`{key}` names `{word}` twice"));
        }
        if let Some(text) = string(&TokenTree::clone(word).into()) {
            return refused(
                word,
                format!("`{}` is written without quotes", text.value()),
            );
        }
        read.push(choice(row, choices, &word.clone().into())?);
    }
    Ok(read)
}

/// Reads a whole number; whether it is in range is asked later.
pub(crate) fn count(row: &Row, tokens: &TokenStream) -> syn::Result<u32> {
    number(tokens).map_err(|why| {
        let help = match string(tokens).map(|text| text.value()) {
            Some(text) if text.parse::<u32>().is_ok() => {
                format!("write `{} = {text}`, without quotes", row.name)
            }
            _ => format!("write it as in `{}`", row.example),
        };
        let message = format!("`{}` {why}\nhelp: {help}", row.name);
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
pub(crate) fn boolean(row: &Row, tokens: &TokenStream) -> syn::Result<bool> {
    if let Ok(value) = syn::parse2::<LitBool>(tokens.clone()) {
        return Ok(value.value);
    }
    let key = row.name;
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

/// Reads `1s..60s`. The error is what is wrong and the way out.
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
    Ok(Backoff {
        least: duration(least)?,
        most: duration(most)?,
    })
}

fn shapes<T>(choices: &[Choice<T>]) -> String {
    let shapes: Vec<String> = choices.iter().map(Choice::shape).collect();
    format!("`{}`", shapes.join("`, `"))
}

fn did_you_mean<T>(choices: &[Choice<T>], written: &str) -> String {
    let written = written.to_ascii_lowercase();
    let words: Vec<&str> = choices.iter().map(|choice| choice.word).collect();
    let by_alias = choices
        .iter()
        .find(|choice| choice.aliases.contains(&written.as_str()))
        .map(|choice| choice.word);
    let meant = by_alias.or_else(|| suggest::nearest(&written, &words));
    let meant = meant.and_then(|word| choices.iter().find(|choice| choice.word == word));
    match meant {
        Some(choice) => format!("\nhelp: did you mean `{}`?", choice.shape()),
        None => String::new(),
    }
}

fn ident(token: TokenTree) -> Option<Ident> {
    match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    }
}

/// A string literal, and nothing else.
pub(crate) fn string(tokens: &TokenStream) -> Option<LitStr> {
    let text = syn::parse2::<LitStr>(tokens.clone()).ok();
    text.filter(|text| text.suffix().is_empty())
}

/// What is in the parentheses, if there is nothing else.
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
