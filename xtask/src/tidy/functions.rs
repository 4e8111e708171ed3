//! A function can be seen whole: it has at most seventy lines.

use super::Finding;
use super::source::{is_word, line_of};
use super::tree::{File, Kind, Tree};

/// From the line of its `fn` to that of its closing brace.
const MAX_LINES: usize = 70;
const RULE: &str = "function-length";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Finding> {
    let code = file.source.code();
    let functions = match file.kind {
        Kind::Rust => rust_functions(&code),
        Kind::Lua => lua_functions(&code),
        _ => Vec::new(),
    };
    let too_long = functions
        .into_iter()
        .filter(|function| function.lines > MAX_LINES);
    too_long
        .map(|Function { name, line, lines }| Finding {
            file: file.path.clone(),
            line,
            rule: RULE,
            text: format!(
                "`{name}` has {lines} lines, {MAX_LINES} are allowed; move a part with a name of its own out of it"
            ),
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Functions with a body; `code` has neither comments nor literals.
fn rust_functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, word) in words(code).filter(|(_, word)| *word == "fn") {
        let after = at + word.len();
        let name = code[after..].trim_start();
        let name = &name[..name.bytes().take_while(|byte| is_word(*byte)).count()];
        // A type `fn(…)` has no name.
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(code, after) {
            let (line, last) = (line_of(code, at), line_of(code, end));
            functions.push(Function {
                name: name.to_owned(),
                line,
                lines: last - line + 1,
            });
        }
    }
    functions
}

/// The closing brace of the first block that stands in no parentheses; none if a semicolon precedes it.
fn body_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return closing_brace(code, at),
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at this offset.
pub(super) fn closing_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    code.bytes().enumerate().skip(open).find_map(|(at, byte)| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// Lua closes all blocks with the same word. A loop opens its block with `do`.
fn lua_functions(code: &str) -> Vec<Function> {
    let mut open = Vec::new();
    let mut functions = Vec::new();
    for (at, word) in words(code) {
        match word {
            "function" => {
                let name = code[at + word.len()..]
                    .split('(')
                    .next()
                    .unwrap_or_default();
                open.push(Some((name.trim().to_owned(), line_of(code, at))));
            }
            "if" | "do" | "repeat" => open.push(None),
            "end" | "until" => {
                if let Some(Some((name, line))) = open.pop() {
                    let lines = line_of(code, at) - line + 1;
                    functions.push(Function { name, line, lines });
                }
            }
            _ => {}
        }
    }
    functions
}

/// Each word of code, with its offset.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let bytes = code.as_bytes();
        let begin = (rest..bytes.len()).find(|at| is_word(bytes[*at]))?;
        let end = (begin..bytes.len()).find(|at| !is_word(bytes[*at]));
        rest = end.unwrap_or(bytes.len());
        Some((begin, &code[begin..rest]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(functions: &[Function]) -> Vec<(&str, usize, usize)> {
        let shown = functions.iter();
        shown
            .map(|it| (it.name.as_str(), it.line, it.lines))
            .collect()
    }

    #[test]
    fn finds_rust_functions_and_their_ends() {
        let text = "trait T {\n  fn a(&self);\n  fn b(x: [u8; 2]) -> u8 {\n    if x { 1 } else { 2 }\n  }\n}\n\
                    fn c<F: Fn()>(f: fn(u8) -> u8)\nwhere\n  F: Sized,\n{\n  fn d() {}\n}\n";
        assert_eq!(
            shown(&rust_functions(text)),
            [("b", 3, 3), ("c", 7, 6), ("d", 11, 1)]
        );
    }

    #[test]
    fn finds_lua_functions_and_their_ends() {
        let text = "local function a(x)\n  for i = 1, 2 do\n    if x then y() elseif z then end\n  end\nend\n\
                    b.c = function(x) return x end\nwhile x do\n  repeat until y\nend\n";
        assert_eq!(shown(&lua_functions(text)), [("a", 1, 5), ("", 6, 1)]);
    }

    #[test]
    fn seventy_lines_pass_and_one_more_does_not() {
        let function = |lines: usize| {
            format!(
                "/// {{\nfn long() {{\n{}}}\n",
                "x(\"{\");\n".repeat(lines - 2)
            )
        };
        let check = |text: &str| super::check(&Tree::of([("a.rs", text)]));
        assert_eq!(check(&function(70)), []);
        let findings = check(&function(71));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
        assert!(
            findings[0].text.contains("`long` has 71 lines"),
            "{}",
            findings[0]
        );

        let text = format!("function f()\n{}end\n", "x()\n".repeat(69));
        assert_eq!(super::check(&Tree::of([("a.lua", text.as_str())])).len(), 1);
    }
}
