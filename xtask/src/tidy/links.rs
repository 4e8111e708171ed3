//! A link of a document leads to a file and a heading that exist.

use std::collections::BTreeMap;

use super::Finding;
use super::modules::normal;
use super::names::prose;
use super::source::Block;
use super::tree::{File, Kind, Tree};

const RULE: &str = "link";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.of_kind(Kind::Markdown)
        .flat_map(|file| of_file(tree, file))
        .collect()
}

fn of_file(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in prose(file).iter().flat_map(Block::prose) {
        let broken = targets(text)
            .into_iter()
            .filter_map(|target| Some((target, broken(tree, file, target)?)));
        findings.extend(broken.map(|(target, text)| Finding {
            file: file.path.clone(),
            line,
            rule: RULE,
            text: format!("`{target}`: {text}"),
        }));
    }
    findings
}

/// What follows `](`, or `]: ` at the end of a line; addresses elsewhere and names of Rust are left out.
fn targets(text: &str) -> Vec<&str> {
    let inline = text
        .match_indices("](")
        .map(|(at, _)| text[at + 2..].split([')', ' ']).next());
    let reference = text
        .starts_with('[')
        .then(|| text.split_once("]: "))
        .flatten();
    let reference = reference.map(|(_, target)| target.split(' ').next());
    let targets = inline.chain(reference).flatten();
    targets
        .filter(|target| {
            !target.contains("://") && !target.contains("::") && !target.starts_with("mailto:")
        })
        .collect()
}

/// What is wrong with a target, and the way out.
fn broken(tree: &Tree, file: &File, target: &str) -> Option<String> {
    let (path, anchor) = target
        .split_once('#')
        .map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = match path {
        "" => file.path.clone(),
        path => normal(&format!("{folder}/{path}")),
    };
    let is_folder = || {
        tree.files
            .iter()
            .any(|file| file.path.starts_with(&format!("{path}/")))
    };
    let Some(to) = tree.get(&path) else {
        return (!is_folder()).then(|| {
            format!("there is no `{path}`; correct the path, which begins at the document")
        });
    };
    let anchor = anchor.filter(|_| to.kind == Kind::Markdown)?;
    let anchors = anchors(to.source.text());
    (!anchors.iter().any(|known| known == anchor)).then(|| {
        format!(
            "`{path}` has no heading of this name; it has {}",
            anchors.join(", ")
        )
    })
}

/// The names of the headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let block = Block {
        line: 1,
        text: text.to_owned(),
    };
    let headings = block
        .prose()
        .into_iter()
        .filter(|(_, line)| line.starts_with('#'));
    let named = headings.map(|(_, heading)| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let name: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            count => format!("{name}-{}", count - 1),
        }
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = [
            ("docs/a.md", text),
            (
                "docs/b.md",
                "# The title\n## Why `x`, and not y?\n```\n# No heading\n```\n## Why `x`, and not y?\n",
            ),
            ("src/lib.rs", ""),
        ];
        check(&Tree::of(files))
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "# Here\n[a](b.md), [b](b.md#the-title) and [c](#here), [d](../src/lib.rs#L1), [e](../src).\n\
                    [f](b.md#why-x-and-not-y-1) [g](https://example.org/x) [h](crate::Job)\n[i]: b.md#the-title\n\
                    ```md\n[j](gone.md)\n```\n";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let text = "[a](gone.md)\n[b](b.md#no-heading) [c](#nowhere)\n\n[d]: ../src/gone.rs\n";
        let found = found(text);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(
            found[0].starts_with("docs/a.md:1: link: `gone.md`: there is no `docs/gone.md`"),
            "{found:?}"
        );
        assert!(
            found[1].contains("`docs/b.md` has no heading of this name; it has the-title, why-x"),
            "{found:?}"
        );
        assert!(found[3].starts_with("docs/a.md:4: "), "{found:?}");
    }
}
