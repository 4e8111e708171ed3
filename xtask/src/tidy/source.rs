//! A source file, split into code, comments and literals.

/// What a byte of a source file belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Code,
    Comment,
    /// A string or a character, its quotes included.
    Literal,
}

/// A text whose bytes are classified.
pub(super) struct Source {
    text: String,
    classes: Vec<Class>,
}

/// Consecutive lines of comment, or all prose of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The line of the file where it begins, from 1.
    pub(super) line: usize,
    /// One line a line, without the signs that make it a comment.
    pub(super) text: String,
}

impl Source {
    pub(super) fn rust(text: &str) -> Self {
        Self::classify(text, rust_token)
    }

    pub(super) fn lua(text: &str) -> Self {
        Self::classify(text, lua_token)
    }

    /// TOML and shell, whose comments begin with a hash.
    pub(super) fn hash_comments(text: &str) -> Self {
        Self::classify(text, hash_token)
    }

    /// `token` returns class and length of what begins at an offset.
    fn classify(text: &str, token: fn(&[u8], usize) -> (Class, usize)) -> Self {
        let bytes = text.as_bytes();
        let mut classes = Vec::with_capacity(bytes.len());
        while classes.len() < bytes.len() {
            let (class, length) = token(bytes, classes.len());
            let end = (classes.len() + length.max(1)).min(bytes.len());
            classes.resize(end, class);
        }
        Self {
            text: text.to_owned(),
            classes,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text with comments and literals blanked; offsets and lines stay.
    pub(super) fn code(&self) -> String {
        let kept = |(byte, class): (u8, &Class)| match class {
            _ if byte == b'\n' => '\n',
            Class::Code if byte.is_ascii() => char::from(byte),
            _ => ' ',
        };
        self.text.bytes().zip(&self.classes).map(kept).collect()
    }

    /// Whether a literal reaches over the end of the line that begins at this offset, or fills it.
    pub(super) fn is_literal(&self, offset: usize) -> bool {
        self.classes.get(offset) == Some(&Class::Literal)
    }

    /// All comments; those of adjacent lines are one block.
    pub(super) fn comments(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut offset = 0;
        for (number, line) in (1..).zip(self.text.split_inclusive('\n')) {
            let is_comment = |at: usize| self.classes[offset + at] == Class::Comment;
            let begin = (0..line.len()).find(|at| is_comment(*at));
            if let Some(begin) = begin {
                let comment = line[begin..].trim_end();
                let text = comment
                    .trim_start_matches(['/', '!', '*', '-', '#'])
                    .trim_start();
                let is_alone = line[..begin].trim().is_empty();
                match blocks.last_mut() {
                    Some(last) if is_alone && last.line + last.lines() == number => {
                        last.text.push('\n');
                        last.text.push_str(text);
                    }
                    _ => blocks.push(Block {
                        line: number,
                        text: text.to_owned(),
                    }),
                }
            }
            offset += line.len();
        }
        blocks
    }
}

impl Block {
    fn lines(&self) -> usize {
        self.text.matches('\n').count() + 1
    }

    /// Each line with its number; lines between code fences are left out.
    pub(super) fn prose(&self) -> Vec<(usize, &str)> {
        let mut fenced = false;
        let mut prose = Vec::new();
        for (line, text) in (self.line..).zip(self.text.split('\n')) {
            let is_fence = text.trim_start().starts_with("```");
            fenced ^= is_fence;
            if !fenced && !is_fence {
                prose.push((line, text));
            }
        }
        prose
    }
}

/// The line of an offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// A part of an identifier.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn rust_token(bytes: &[u8], at: usize) -> (Class, usize) {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => (Class::Comment, to_line_end(rest)),
        [b'/', b'*', ..] => (Class::Comment, block_comment(rest)),
        [b'"', ..] => (Class::Literal, quoted(rest)),
        [b'\'', ..] => character(rest).map_or((Class::Code, 1), |length| (Class::Literal, length)),
        [b'r', ..] if !follows_word(bytes, at) => {
            raw_string(rest).map_or((Class::Code, 1), |length| (Class::Literal, length))
        }
        _ => (Class::Code, 1),
    }
}

/// Whether an identifier reaches to this offset; the prefixes of `br""` and `cr""` are none.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| bytes[at]);
    match before(1) {
        Some(b'b' | b'c') => before(2).is_some_and(is_word),
        other => other.is_some_and(is_word),
    }
}

fn to_line_end(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

/// Comments of this kind nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string with escapes, both quotes included.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == rest[0] => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'x'`, but neither the lifetime `'x` nor a loop's label.
fn character(rest: &[u8]) -> Option<usize> {
    let first = *rest.get(1)?;
    if first == b'\\' {
        return Some(quoted(rest));
    }
    let width = match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// `r"…"`, `r#"…"#` and so on; not `r#name`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let opened = 1 + hashes;
    if rest.get(opened) != Some(&b'"') {
        return None;
    }
    let end: Vec<u8> = [b'"']
        .into_iter()
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let body = &rest[opened + 1..];
    let found = body.windows(end.len()).position(|window| window == end);
    Some(found.map_or(rest.len(), |found| opened + 1 + found + end.len()))
}

fn lua_token(bytes: &[u8], at: usize) -> (Class, usize) {
    let rest = &bytes[at..];
    match rest {
        [b'-', b'-', comment @ ..] => match long_bracket(comment) {
            Some(length) => (Class::Comment, length + 2),
            None => (Class::Comment, to_line_end(rest)),
        },
        [b'"' | b'\'', ..] => (Class::Literal, quoted(rest)),
        [b'[', ..] => {
            long_bracket(rest).map_or((Class::Code, 1), |length| (Class::Literal, length))
        }
        _ => (Class::Code, 1),
    }
}

/// `[[…]]`, `[=[…]=]` and so on.
fn long_bracket(rest: &[u8]) -> Option<usize> {
    let level = rest
        .get(1..)?
        .iter()
        .take_while(|byte| **byte == b'=')
        .count();
    if rest[0] != b'[' || rest.get(1 + level) != Some(&b'[') {
        return None;
    }
    let end: Vec<u8> = [b']']
        .into_iter()
        .chain(std::iter::repeat_n(b'=', level))
        .chain([b']'])
        .collect();
    let found = rest.windows(end.len()).position(|window| window == end);
    Some(found.map_or(rest.len(), |found| found + end.len()))
}

fn hash_token(bytes: &[u8], at: usize) -> (Class, usize) {
    let rest = &bytes[at..];
    let begins_word = at == 0 || bytes[at - 1].is_ascii_whitespace();
    match rest {
        [b'#', ..] if begins_word => (Class::Comment, to_line_end(rest)),
        [b'"', ..] => (Class::Literal, quoted(rest).min(to_line_end(rest))),
        _ => (Class::Code, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let code = Source::rust(text).code();
        assert_eq!(code.len(), text.len(), "offsets stay");
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rust_without_comments_and_literals() {
        assert_eq!(code("a /* x /* y */ \" */ b // c\nd"), "a b d");
        assert_eq!(code(r#"f("{ \" }", 'x', '\'', '{')"#), "f( , , , )");
        assert_eq!(code("r#\"a \" { \"# b br##\"{\"#\"## c"), "b b c");
        assert_eq!(
            code("fn f<'a>(x: &'a str) { 'l: loop {} }"),
            "fn f<'a>(x: &'a str) { 'l: loop {} }"
        );
        assert_eq!(code("r#type var\"x\" 'é' '…'"), "r#type var");
    }

    #[test]
    fn lua_without_comments_and_literals() {
        let text = "a --[[ x\n y ]] b -- c\nd '\\'x' [==[ ]] ]==] e[f[1]]";
        let code = Source::lua(text).code();
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "b", "d", "e[f[1]]"]);
    }

    #[test]
    fn comments_of_adjacent_lines_are_one_block() {
        let text = "//! One\n//! two.\n\nlet a = \"// no\"; // Three.\n// Four.\n";
        let blocks = Source::rust(text).comments();
        let block = |line, text: &str| Block {
            line,
            text: text.to_owned(),
        };
        assert_eq!(blocks, [block(1, "One\ntwo."), block(4, "Three.\nFour.")]);
        let blocks = Source::hash_comments("a = \"x # y\" # One\n# two\nb#c\n").comments();
        assert_eq!(blocks, [block(1, "One\ntwo")]);
    }

    #[test]
    fn code_fences_hold_no_prose() {
        let text = "one\n```\ntwo\n```\nthree".to_owned();
        let block = Block { line: 7, text };
        assert_eq!(block.prose(), [(7, "one"), (11, "three")]);
    }
}
