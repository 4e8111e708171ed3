//! Comments and documents have no words of a private dialect, and documents one sentence a line.

use super::names::prose;
use super::source::Block;
use super::tree::{File, Kind, Tree};
use super::{Exception, Finding, unneeded};

const WORDS_RULE: &str = "word";
const SENTENCES_RULE: &str = "sentence";

/// A word or phrase, and what to write instead.
struct Banned {
    phrase: &'static str,
    instead: &'static str,
}

const BANNED: &[Banned] = &[
    Banned {
        phrase: "told",
        instead: "reported, logged, recorded or passed",
    },
    Banned {
        phrase: "untold",
        instead: "pending or unreported",
    },
    Banned {
        phrase: "bidden",
        instead: "requested",
    },
    Banned {
        phrase: "for ever",
        instead: "without end, or a bound",
    },
    Banned {
        phrase: "as ever",
        instead: "as before, or nothing",
    },
    Banned {
        phrase: "is nobody's",
        instead: "belongs to no node",
    },
];

/// Files in which the banned words are allowed, each with its reason.
const EXCEPTIONS: &[Exception] = &[Exception {
    file: "docs/glossary.md",
    reason: "the glossary lists the words that are not used",
}];

/// A point behind one of these ends no sentence.
const ABBREVIATIONS: [&str; 8] = ["e.g", "i.e", "etc", "cf", "vs", "No", "St", "al"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, EXCEPTIONS)
}

fn check_with(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let words = tree.files.iter().flat_map(|file| {
        prose(file)
            .into_iter()
            .flat_map(|block| banned(file, &block))
    });
    let words: Vec<Finding> = words.collect();
    let is_needed = |path: &str| words.iter().any(|finding| finding.file == path);
    let unneeded = unneeded(exceptions, WORDS_RULE, "xtask/src/tidy/prose.rs", is_needed);
    let is_excepted = |finding: &Finding| exceptions.iter().any(|it| it.file == finding.file);
    let words = words.into_iter().filter(|finding| !is_excepted(finding));
    let sentences = tree.of_kind(Kind::Markdown).flat_map(sentences);
    words.chain(unneeded).chain(sentences).collect()
}

fn banned(file: &File, block: &Block) -> Vec<Finding> {
    let words = words(block);
    let mut findings = Vec::new();
    for at in 0..words.len() {
        let is_here = |banned: &&Banned| {
            let phrase = banned.phrase.split(' ');
            let count = phrase.clone().count();
            words[at..].len() >= count
                && phrase
                    .zip(&words[at..])
                    .all(|(wanted, (_, word))| wanted == word)
        };
        findings.extend(BANNED.iter().filter(is_here).map(|banned| Finding {
            file: file.path.clone(),
            line: words[at].0,
            rule: WORDS_RULE,
            text: format!(
                "\"{}\" is not said here; write {}",
                banned.phrase, banned.instead
            ),
        }));
    }
    findings
}

/// All words in lower case, each with its line; what stands between backticks is no prose.
fn words(block: &Block) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (line, text) in block.prose() {
        let spans = text
            .split('`')
            .enumerate()
            .filter(|(number, _)| number % 2 == 0);
        for (_, span) in spans {
            let split = span.split(|c: char| !c.is_alphanumeric() && !"'’".contains(c));
            let lower = split
                .filter(|word| !word.is_empty())
                .map(|word| word.to_lowercase().replace('’', "'"));
            words.extend(lower.map(|word| (line, word)));
        }
    }
    words
}

/// Lines with two sentences; tables and headings have none.
fn sentences(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in prose(file).iter().flat_map(Block::prose) {
        let is_row = text.trim_start().starts_with(['|', '#', '<']);
        if !is_row && has_two_sentences(text) {
            findings.push(Finding {
                file: file.path.clone(),
                line,
                rule: SENTENCES_RULE,
                text: "two sentences in one line; begin a line with each".to_owned(),
            });
        }
    }
    findings
}

fn has_two_sentences(text: &str) -> bool {
    // The number of a list is no sentence.
    let text = text
        .trim_start()
        .trim_start_matches(|c: char| c.is_ascii_digit());
    let ends = text.match_indices(['.', '!', '?']);
    ends.into_iter().any(|(at, _)| {
        let after = text[at + 1..].trim_start_matches(['*', ')', '"', '`']);
        let next = after.strip_prefix(' ').and_then(|next| next.chars().next());
        let begins = next.is_some_and(|c| c.is_uppercase() || "`[*\"".contains(c));
        let word = text[..at].rsplit([' ', '(']).next().unwrap_or_default();
        begins && at > 0 && !ABBREVIATIONS.contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        let findings = check_with(&Tree::of([(file, text)]), &[]).into_iter();
        findings.map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn banned_words_are_found_in_comments_and_documents() {
        let code = found(
            "a.rs",
            "// It is told for\n// ever.\nfn told() { \"told\" }\n",
        );
        assert_eq!(code.len(), 2, "{code:?}");
        assert!(code[0].starts_with("a.rs:1: word: \"told\""), "{code:?}");
        let expected = "a.rs:1: word: \"for ever\" is not said here; write without end, or a bound";
        assert_eq!(code[1], expected);
        assert_eq!(found("a.lua", "-- That is nobody’s.").len(), 1);
        assert_eq!(found("a.md", "Untold: as ever.").len(), 2);
    }

    #[test]
    fn other_words_and_code_pass() {
        let text = "Retold, as every other; for `told` and\n```\nuntold\n```\n";
        assert_eq!(found("a.md", text), Vec::<String>::new());
    }

    #[test]
    fn an_exception_allows_the_words_of_its_file_only_and_must_be_needed() {
        let exception = |file| Exception {
            file,
            reason: "a list of words",
        };
        let tree = Tree::of([
            ("words.md", "Not: told. Nor: untold.\n"),
            ("a.md", "It is told.\n"),
        ]);
        let exceptions = [exception("words.md"), exception("gone.md")];
        let findings = check_with(&tree, &exceptions).into_iter();
        let found: Vec<String> = findings.map(|finding| finding.to_string()).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("a.md:1: word: \"told\""), "{found:?}");
        assert!(
            found[1].contains("`gone.md` (a list of words) is not needed"),
            "{found:?}"
        );
        assert!(
            found[2].starts_with("words.md:1: sentence: two"),
            "{found:?}"
        );
    }

    #[test]
    fn a_document_has_one_sentence_a_line() {
        for text in [
            "One. Two.",
            "- One (e.g. Redis)! `Two` is code.",
            "**One.** Two",
            "1. One? Two.",
        ] {
            assert!(has_two_sentences(text), "{text}");
        }
        for text in [
            "One, e.g. Redis.",
            "1. One.",
            "Version 1.2. or 3.4 of it",
            "`a.b` A",
            "One… two.",
            "One: Two.",
        ] {
            assert!(!has_two_sentences(text), "{text}");
        }
        assert_eq!(
            found("a.md", "# One. Two.\n| One. Two. |\nOne. Two.\n").len(),
            1
        );
        assert_eq!(found("a.rs", "// One. Two.").len(), 0);
    }
}
