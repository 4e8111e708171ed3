//! A file or folder that documents and comments name exists.

use std::collections::BTreeSet;

use super::Finding;
use super::source::Block;
use super::tree::{File, Kind, Tree};

const RULE: &str = "file-name";
/// What a name of a file of this project ends with.
const EXTENSIONS: [&str; 6] = [".rs", ".lua", ".md", ".toml", ".stderr", ".c"];

/// Names of files that are elsewhere: in a program of a user, or in another project.
const ELSEWHERE: &[&str] = &["main.rs", "src/main.rs"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.files.iter().flat_map(|file| of_file(tree, file));
    files.collect()
}

fn of_file(tree: &Tree, file: &File) -> Vec<Finding> {
    // A changelog has the names that things had then.
    if file.path.ends_with("CHANGELOG.md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, text) in prose(file).iter().flat_map(Block::prose) {
        let names: BTreeSet<&str> = text
            .split(is_border)
            .filter_map(|word| name(tree, word))
            .collect();
        findings.extend(
            names
                .into_iter()
                .filter(|name| !exists(tree, name))
                .map(|name| Finding {
                    file: file.path.clone(),
                    line,
                    rule: RULE,
                    text: format!("there is no `{name}`; correct the name, or remove the sentence"),
                }),
        );
    }
    findings
}

/// Comments, or all of a document.
pub(super) fn prose(file: &File) -> Vec<Block> {
    match file.kind {
        Kind::Rust | Kind::Lua | Kind::Hash => file.source.comments(),
        Kind::Markdown => vec![Block {
            line: 1,
            text: file.source.text().to_owned(),
        }],
        Kind::Other => Vec::new(),
    }
}

fn is_border(character: char) -> bool {
    character.is_whitespace() || "`'\"()[]{}<>,;|…".contains(character)
}

/// What looks like the name of a file or folder; not an address, and no line number behind it.
fn name<'a>(tree: &Tree, word: &'a str) -> Option<&'a str> {
    let word = word.split(['#', ':']).next().unwrap_or_default();
    let word = word.trim_end_matches('.').trim_start_matches("./");
    let is_plain = word
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-./*".contains(c));
    let is_named = is_file_name(word) || is_folder_name(tree, word);
    (is_plain && is_named && !word.starts_with(['/', '.', '-'])).then_some(word)
}

fn is_file_name(word: &str) -> bool {
    EXTENSIONS.iter().any(|extension| {
        let stem = word.strip_suffix(extension);
        stem.is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
    })
}

/// A path that ends with a slash, or begins with a folder at the root of the project.
fn is_folder_name(tree: &Tree, word: &str) -> bool {
    let Some((first, rest)) = word.split_once('/') else {
        return false;
    };
    let is_at_root = |first: &str| {
        let below = format!("{first}/");
        tree.files.iter().any(|file| file.path.starts_with(&below))
    };
    // Not a template such as `name/`, and no file of another kind.
    !rest.contains('.') && (is_at_root(first) || (!rest.is_empty() && word.ends_with('/')))
}

/// Whether some file or folder has this path, or ends with it; a star stands for any part of a name.
fn exists(tree: &Tree, name: &str) -> bool {
    let name = name.trim_start_matches("../").trim_end_matches('/');
    let wanted: Vec<&str> = name.split('/').collect();
    let is_it = |path: &str| {
        let parts: Vec<&str> = path.split('/').collect();
        let mut windows = parts.windows(wanted.len());
        windows.any(|parts| {
            parts
                .iter()
                .zip(&wanted)
                .all(|(part, wanted)| matches(part, wanted))
        })
    };
    ELSEWHERE.contains(&name) || tree.files.iter().any(|file| is_it(&file.path))
}

/// Whether a name has this form, in which a star stands for any text.
fn matches(name: &str, form: &str) -> bool {
    match form.split_once('*') {
        None => name == form,
        Some((begin, end)) => name.strip_prefix(begin).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(&rest[at..], end))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        let tree = Tree::of([
            (file, text),
            ("a/src/scheduler/run.rs", ""),
            ("a/src/claim.lua", ""),
            ("docs/x.md", ""),
        ]);
        let findings = check(&tree).into_iter();
        findings.map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn names_of_files_that_exist_pass() {
        let text = "`scheduler/run.rs`, run.rs:12 and `claim.lua`. See [x](docs/x.md#y), `../docs/x.md`.\n\
                    `*.lua`, `src/scheduler/r*.rs` and https://example.org/gone.rs; `.rs`, e.g. and 1.2.\n\
                    `src/scheduler/`, a/src, `cgroup/x`, and/or.\n\
                    ```text\ngone.rs\n```\n";
        assert_eq!(found("README.md", text), Vec::<String>::new());
    }

    #[test]
    fn names_of_files_that_do_not_exist_are_found() {
        let text = "One.\n`scheduler/ran.rs` and `x/run.rs`, as in gone.lua.\n`d*.lua`\n\
                    In `scheduler/gone/`, `docs/gone` and `a/src`.\n";
        let markdown = found("README.md", text);
        assert_eq!(markdown.len(), 6, "{markdown:?}");
        let expected = "README.md:2: file-name: there is no `gone.lua`; correct the name, or remove the sentence";
        assert_eq!(markdown[0], expected);
        let code = found(
            "b.rs",
            "// See `gone.rs`.\nf(\"gone.rs\");\n/// And `gone.md`.\nfn f() {}",
        );
        assert_eq!(code.len(), 2, "{code:?}");
        assert!(code[1].starts_with("b.rs:3: "), "{code:?}");
        assert_eq!(
            found("Cargo.toml", "# In `gone.rs`.\na = \"gone.rs\"\n").len(),
            1
        );
        assert_eq!(found("CHANGELOG.md", "`gone.rs`").len(), 0);
    }
}
