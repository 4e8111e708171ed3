//! The paths that a Rust file refers to: those of its `use` and those in its code.

use super::functions::closing_brace;
use super::source::{is_word, line_of};

/// A path, written out: `use a::{b, c as d}` are `a::b` and `a::c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    pub(super) place: Place,
}

/// Where a path stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a `use`, which gives it this name here; a glob has none.
    Use {
        name: Option<String>,
        is_public: bool,
    },
    /// In an expression, a type, or an attribute.
    Code,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// `::`
    Colons,
    Sign(char),
}

/// All tokens of code without comments and literals, each with its offset.
pub(super) fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let bytes = code.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..]
            .iter()
            .take_while(|byte| is_word(**byte))
            .count();
        let (length, token) = match bytes[at] {
            _ if length > 0 => (length, Some(Token::Word(&code[at..at + length]))),
            b':' if bytes.get(at + 1) == Some(&b':') => (2, Some(Token::Colons)),
            byte if byte.is_ascii_whitespace() => (1, None),
            byte => (1, Some(Token::Sign(char::from(byte)))),
        };
        tokens.extend(token.map(|token| (at, token)));
        at += length;
    }
    tokens
}

/// Blanks what only a test build compiles: every item behind `#[cfg(test)]`.
pub(super) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find(MARK) {
        let begin = from + found;
        let after = begin + MARK.len();
        let item = code[after..]
            .find(['{', ';'])
            .map_or(code.len() - 1, |at| after + at);
        let end = match code.as_bytes()[item] {
            b'{' => closing_brace(code, item).unwrap_or(code.len() - 1),
            _ => item,
        };
        for byte in &mut kept[begin..=end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end + 1;
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// All paths of at least two segments, and all of `use`.
pub(super) fn paths(code: &str) -> Vec<Path> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map(|before| tokens[before].1);
        match tokens[at].1 {
            // Not `impl Trait + use<'a>`.
            Token::Word("use")
                if tokens
                    .get(at + 1)
                    .is_some_and(|next| next.1 != Token::Sign('<')) =>
            {
                let mut tree = UseTree {
                    code,
                    tokens: &tokens,
                    at: at + 1,
                    is_public: is_public(&tokens[..at]),
                    paths: &mut paths,
                };
                tree.read(Vec::new());
                at = tree.at;
            }
            Token::Word(_) if before != Some(Token::Colons) => {
                let (segments, next) = segments(&tokens, at);
                if segments.len() > 1 {
                    let line = line_of(code, tokens[at].0);
                    paths.push(Path {
                        segments,
                        line,
                        place: Place::Code,
                    });
                }
                at = next;
            }
            _ => at += 1,
        }
    }
    paths
}

/// The words from here on that only `::` stands between, and where they end.
fn segments(tokens: &[(usize, Token<'_>)], mut at: usize) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        segments.push((*word).to_owned());
        at += 1;
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some((_, Token::Colons)), Some((_, Token::Word(_)))) => at += 1,
            _ => break,
        }
    }
    (segments, at)
}

/// Whether `pub` or `pub(…)` ends here.
fn is_public(before: &[(usize, Token<'_>)]) -> bool {
    let last = before.iter().rposition(|(_, token)| {
        !matches!(
            token,
            Token::Word("crate" | "super" | "self" | "in") | Token::Colons | Token::Sign('(' | ')')
        )
    });
    last.is_some_and(|last| before[last].1 == Token::Word("pub"))
}

struct UseTree<'a, 'b> {
    code: &'a str,
    tokens: &'a [(usize, Token<'a>)],
    at: usize,
    is_public: bool,
    paths: &'b mut Vec<Path>,
}

impl UseTree<'_, '_> {
    /// Reads one tree below these segments, up to the sign that ends it.
    fn read(&mut self, mut segments: Vec<String>) {
        while let Some((offset, token)) = self.tokens.get(self.at) {
            match token {
                Token::Word("as") => return self.rename(segments),
                Token::Word(word) => segments.push((*word).to_owned()),
                Token::Sign('*') => {
                    self.at += 1;
                    return self.push(*offset, segments, None);
                }
                Token::Sign('{') => return self.group(&segments),
                Token::Sign(_) => break,
                Token::Colons => {}
            }
            self.at += 1;
        }
        let name = segments.last().cloned();
        self.leaf(segments, name);
    }

    fn rename(&mut self, segments: Vec<String>) {
        let name = match self.tokens.get(self.at + 1) {
            Some((_, Token::Word(word))) => Some((*word).to_owned()),
            _ => None,
        };
        self.at += 2;
        self.leaf(segments, name);
    }

    fn group(&mut self, segments: &[String]) {
        self.at += 1;
        loop {
            match self.tokens.get(self.at).map(|(_, token)| *token) {
                Some(Token::Sign('}')) | None => break,
                Some(Token::Sign(',')) => self.at += 1,
                Some(Token::Sign(';')) => return,
                Some(_) => {
                    let before = self.at;
                    self.read(segments.to_vec());
                    // A sign that belongs into no tree: code that does not compile.
                    self.at = self.at.max(before + 1);
                }
            }
        }
        self.at += 1;
    }

    /// `use a::{self}` is `use a`.
    fn leaf(&mut self, mut segments: Vec<String>, mut name: Option<String>) {
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
            name = name
                .filter(|name| name != "self")
                .or_else(|| segments.last().cloned());
        }
        let offset = self.tokens[self.at.min(self.tokens.len()) - 1].0;
        self.push(offset, segments, name);
    }

    fn push(&mut self, offset: usize, segments: Vec<String>, name: Option<String>) {
        let place = Place::Use {
            name,
            is_public: self.is_public,
        };
        let line = line_of(self.code, offset);
        self.paths.push(Path {
            segments,
            line,
            place,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str) -> Vec<String> {
        let show = |path: Path| {
            let path_text = path.segments.join("::");
            match path.place {
                Place::Code => format!("{}: {path_text}", path.line),
                Place::Use { name, is_public } => {
                    let public = if is_public { "pub " } else { "" };
                    let name = name.unwrap_or("*".to_owned());
                    format!("{}: {public}use {path_text} as {name}", path.line)
                }
            }
        };
        paths(code).into_iter().map(show).collect()
    }

    #[test]
    fn trees_of_use_are_written_out() {
        let code = "use a::b;\nuse c::{\n  self, d as e,\n  f::{g, h::*},\n};\npub(crate) use super::i;\npub use j;";
        assert_eq!(
            shown(code),
            [
                "1: use a::b as b",
                "3: use c as c",
                "3: use c::d as e",
                "4: use c::f::g as g",
                "4: use c::f::h as *",
                "6: pub use super::i as i",
                "7: pub use j as j",
            ]
        );
    }

    #[test]
    fn paths_in_code() {
        let code = "fn f(x: a::B<c::D>) -> impl E + use<'_> {\n  g::h::<i::J>(); k.l; <M as n::O>::p()\n}\n#[q::r]";
        assert_eq!(
            shown(code),
            [
                "1: a::B", "1: c::D", "2: g::h", "2: i::J", "2: n::O", "4: q::r"
            ]
        );
    }

    #[test]
    fn what_tests_alone_compile_is_blanked() {
        let code = "use a::b;\n#[cfg(test)]\nuse c::d;\n#[cfg(test)]\nmod tests {\n  use e::f;\n}\nuse g::h;";
        let kept = without_tests(code);
        assert_eq!(kept.len(), code.len());
        assert_eq!(shown(&kept), ["1: use a::b as b", "8: use g::h as h"]);
    }
}
