//! A number of the code that documents repeat is the same there.

use super::Finding;
use super::names::prose;
use super::source::line_of;
use super::tree::{Kind, Tree};

const RULE: &str = "number";
const TABLE: &str = "xtask/src/tidy/numbers.rs";

/// A number and where it is repeated.
struct Repeated {
    /// How documents and comments say it; the hash stands for the number.
    phrase: &'static str,
    /// The end of the path of the file that has it.
    file: &'static str,
    truth: Truth,
}

enum Truth {
    /// What stands behind this text.
    After(&'static str),
    /// How often this text occurs there.
    Count(&'static str),
    /// How often this text occurs in all files of the folder.
    CountInFolder(&'static str),
}

const REPEATED: &[Repeated] = &[
    Repeated {
        phrase: "# deployments of a store",
        file: "tests/cluster/src/chaos/deployment.rs",
        truth: Truth::After("pub const ALL: [Kind; "),
    },
    Repeated {
        phrase: "# faults on ",
        file: "tests/cluster/src/chaos/faults/mod.rs",
        truth: Truth::CountInFolder("\n        name: \""),
    },
    Repeated {
        phrase: "# seeds of policies",
        file: "scheduled-one-runtime/tests/simulation.rs",
        truth: Truth::After("const SEEDS: u64 = "),
    },
    Repeated {
        phrase: "# random histories",
        file: "scheduled-one-runtime/tests/simulation.rs",
        truth: Truth::After("const SEEDS: u64 = "),
    },
    Repeated {
        phrase: "# random operations",
        file: "tests/redis_agreement/main.rs",
        truth: Truth::After("const OPERATIONS: u64 = "),
    },
    Repeated {
        phrase: "# mutants",
        file: "xtask/src/mutants/list.rs",
        truth: Truth::Count("\n    Mutant {"),
    },
];

/// Numbers up to twelve are words in prose, and may be in others.
const WORDS: [&str; 13] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];
const TENS: [&str; 8] = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    REPEATED
        .iter()
        .flat_map(|repeated| of_row(tree, repeated))
        .collect()
}

fn of_row(tree: &Tree, repeated: &Repeated) -> Vec<Finding> {
    let Some(truth) = truth(tree, repeated) else {
        let text = format!(
            "the truth about `{}` is not in `{}` any more; say in the table where it is",
            repeated.phrase, repeated.file
        );
        return vec![finding(TABLE, 1, text)];
    };
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.kind != Kind::Other) {
        for block in prose(file) {
            for (line, said) in said(&block.text, repeated.phrase) {
                if said != truth {
                    let text = format!(
                        "says {said} where `{}` has {truth}; correct it",
                        repeated.file
                    );
                    findings.push(finding(&file.path, block.line + line - 1, text));
                }
            }
        }
    }
    findings
}

fn finding(file: &str, line: usize, text: String) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        rule: RULE,
        text,
    }
}

fn truth(tree: &Tree, repeated: &Repeated) -> Option<u64> {
    let file = tree
        .files
        .iter()
        .find(|file| file.path.ends_with(repeated.file))?;
    let count = |text: &str, what| {
        u64::try_from(text.matches(what).count())
            .ok()
            .filter(|count| *count > 0)
    };
    match repeated.truth {
        Truth::After(before) => {
            let (_, after) = file.source.text().split_once(before)?;
            digits(
                after
                    .split(|c: char| !c.is_ascii_digit() && c != '_')
                    .next()?,
            )
        }
        Truth::Count(what) => count(file.source.text(), what),
        Truth::CountInFolder(what) => {
            let (folder, _) = file.path.rsplit_once('/')?;
            let inside = tree
                .files
                .iter()
                .filter(|file| file.path.starts_with(folder));
            count(
                &inside.map(|file| file.source.text()).collect::<String>(),
                what,
            )
        }
    }
}

/// The numbers that a text has in this phrase, which may go over the end of a line.
fn said(text: &str, phrase: &str) -> Vec<(usize, u64)> {
    let flat = text.replace('\n', " ");
    let (before, after) = phrase.split_once('#').unwrap_or_default();
    let found = flat.match_indices(after).filter_map(|(at, _)| {
        let head = flat[..at].trim_end_matches('*');
        let begin = head
            .rfind(|c: char| !c.is_alphanumeric() && !",_".contains(c))
            .map_or(0, |at| at + 1);
        // A sign of several bytes is no part of a number.
        let word = head.get(begin..)?;
        head[..begin]
            .ends_with(before)
            .then(|| Some((line_of(text, at), number(word)?)))?
    });
    found.collect()
}

/// Digits or a word. A round word says "about so many", and is not held to it.
fn number(word: &str) -> Option<u64> {
    let word = word.to_lowercase();
    if TENS.contains(&word.as_str()) {
        return None;
    }
    let index = WORDS.iter().position(|known| *known == word);
    index
        .and_then(|index| u64::try_from(index).ok())
        .or_else(|| digits(&word))
}

fn digits(text: &str) -> Option<u64> {
    text.replace(['_', ','], "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Repeated = Repeated {
        phrase: "# seeds of",
        file: "simulation.rs",
        truth: Truth::After("SEEDS: u64 = "),
    };

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::of([
            ("a.md", text),
            ("tests/simulation.rs", "const SEEDS: u64 = 1_000;"),
        ]);
        let findings = of_row(&tree, &ROW).into_iter();
        findings.map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn equal_numbers_pass() {
        let text =
            "It has 1,000 seeds of policies,\n1_000\nseeds of faults, and more seeds of both.";
        assert!(found(text).is_empty());
    }

    #[test]
    fn other_numbers_are_found() {
        let found = found("One.\nIt has **100** seeds of policies, and six\nseeds of faults.");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0],
            "a.md:2: number: says 100 where `simulation.rs` has 1000; correct it"
        );
        assert!(found[1].contains("says 6"), "{found:?}");
    }

    #[test]
    fn a_row_without_its_truth_is_found() {
        let findings = of_row(&Tree::of([("tests/simulation.rs", "")]), &ROW);
        assert!(
            findings[0].text.contains("not in `simulation.rs` any more"),
            "{}",
            findings[0]
        );
        let count = Repeated {
            truth: Truth::Count("Mutant {"),
            ..ROW
        };
        let tree = Tree::of([("simulation.rs", "Mutant { Mutant {")]);
        assert_eq!(truth(&tree, &count), Some(2));
        let tree = Tree::of([
            ("x/simulation.rs", "a: b"),
            ("x/y.rs", "a: c"),
            ("z.rs", "a: d"),
        ]);
        let count = Repeated {
            truth: Truth::CountInFolder("a: "),
            ..ROW
        };
        assert_eq!(truth(&tree, &count), Some(2));
    }
}
