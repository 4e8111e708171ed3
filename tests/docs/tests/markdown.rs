//! Links in Markdown lead to files and headings that exist, and every program in
//! Markdown is compiled by some test.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Markdown with Rust in it, and where that is compiled.
const COMPILED: [(&str, &str); 9] = [
    ("README.md", "tests/docs/src/lib.rs"),
    ("docs/deploying.md", "tests/docs/src/lib.rs"),
    ("docs/metrics.md", "tests/docs/src/lib.rs"),
    ("docs/stores.md", "tests/docs/src/lib.rs"),
    (
        "scheduled-one-runtime/docs/testing.md",
        "scheduled-one-runtime/src/testing.rs",
    ),
    (
        "scheduled-one-control/README.md",
        "scheduled-one-control/src/lib.rs",
    ),
    (
        "scheduled-one-alerts/docs/alerts.md",
        "scheduled-one-alerts/src/lib.rs",
    ),
    (
        "scheduled-one-console/README.md",
        "scheduled-one-console/src/lib.rs",
    ),
    (
        "scheduled-one-testkit/README.md",
        "scheduled-one-testkit/src/lib.rs",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Markdown files of the repository, relative to its root.
fn markdown_files() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The text without fenced blocks and code spans, so that code has no links.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let outside = line.split('`').step_by(2);
            prose.extend(outside);
            prose.push('\n');
        }
    }
    prose
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1);
    let target = |rest: &str| rest.split(')').next().unwrap_or_default().to_owned();
    targets.map(target).collect()
}

/// The anchors that a viewer makes of headings: lower case, spaces as hyphens,
/// punctuation dropped.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            });
            anchors.insert(kept.collect());
        }
    }
    anchors
}

/// Resolves `..` without asking the file system.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(normal.pop(), "{} leaves the repository", path.display())
            }
            part => normal.push(part),
        }
    }
    normal
}

/// What is wrong with a link of `file`, if something is.
fn mistake(file: &Path, link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => file.to_owned(),
        path => normal(&file.parent().unwrap().join(path)),
    };
    let found = root().join(&target);
    if !found.exists() {
        return Some(format!("{}: {link}: no such file", file.display()));
    }
    let is_known = || anchors(&fs::read_to_string(&found).unwrap()).contains(anchor);
    if !anchor.is_empty() && !is_known() {
        return Some(format!("{}: {link}: no such heading", file.display()));
    }
    None
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    let mut mistakes = Vec::new();
    for file in markdown_files() {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for link in links(&text) {
            mistakes.extend(mistake(&file, &link));
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links were found");
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn programs_in_markdown_are_compiled() {
    for file in markdown_files() {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let name = file.to_str().unwrap();
        let has_rust = text.lines().any(|line| line.starts_with("```rust"));
        let compiled_by = COMPILED.iter().find(|(compiled, _)| *compiled == name);
        assert_eq!(
            has_rust,
            compiled_by.is_some(),
            "{name}: list it in COMPILED, or take it out"
        );
        if let Some((_, by)) = compiled_by {
            let source = fs::read_to_string(root().join(by)).unwrap();
            let included = format!("{}\")]", file.file_name().unwrap().to_str().unwrap());
            assert!(source.contains(&included), "{by} does not include {name}");
        }
    }
}

#[test]
fn a_broken_link_is_found() {
    let readme = Path::new("README.md");
    assert_eq!(mistake(readme, "docs/glossary.md"), None);
    assert_eq!(
        mistake(Path::new("docs/glossary.md"), "../README.md#try-it"),
        None
    );
    assert!(mistake(readme, "docs/no-such-page.md").is_some());
    assert!(mistake(readme, "#no-such-heading").is_some());
    assert_eq!(links("`[a](b)` and [c](d.md#e)"), ["d.md#e"]);
}

#[test]
fn a_replica_without_the_variable_gets_no_store_of_its_own() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let program = readme
        .split("```")
        .find(|block| block.contains("fn main"))
        .unwrap();
    assert!(program.contains("builder_from_env("), "{program}");
    assert!(!program.contains("memory://"), "{program}");
}

/// What stands in front of the parenthesis that closes an open one.
fn until_closed(code: &str) -> &str {
    let (mut depth, mut is_quoted) = (0, false);
    let end = code.find(|c| {
        match c {
            '"' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth -= 1,
            _ => {}
        }
        depth < 0
    });
    &code[..end.unwrap()]
}

/// The texts of all events of the runtime. Values stand in braces.
fn events() -> Vec<String> {
    let source = root().join("scheduled-one-runtime/src");
    let more = fs::read_dir(source.join("event")).unwrap();
    let more = more.map(|entry| entry.unwrap().path());
    let mut texts = Vec::new();
    for file in more.chain([source.join("event.rs")]) {
        let code = fs::read_to_string(&file).unwrap();
        for (at, target) in code.match_indices("target: TARGET") {
            let before = code[..at].trim_end();
            let macros = ["debug!(", "info!(", "warn!(", "error!("];
            if macros.iter().any(|it| before.ends_with(it)) {
                let arguments = until_closed(&code[at + target.len()..]);
                // The text is the last literal, and none has a quotation mark inside.
                texts.push(arguments.rsplit('"').nth(1).unwrap().to_owned());
            }
        }
    }
    texts
}

#[test]
fn each_event_is_in_the_list_of_events() {
    let list = fs::read_to_string(root().join("docs/events.md")).unwrap();
    let rows = list.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows
        .filter_map(|row| row.split(['`', '…']).next())
        .map(str::trim_end)
        .collect();
    let events = events();
    assert!(events.len() > 60, "{events:?}");
    let is_listed = |event: &String| listed.iter().any(|row| event.starts_with(row));
    let missing: Vec<&String> = events.iter().filter(|event| !is_listed(event)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
