//! The subject of a commit has at most 72 characters.

use std::path::Path;
use std::process::Command;

use super::Finding;

/// Older commits are as they are.
const BASE: &str = "1dfff76e07e1103ba4ec2e0807c96b1408bfcd73";
const MAX_CHARACTERS: usize = 72;
const RULE: &str = "commit-subject";

/// In a clone without the base (a shallow one) there is nothing to look at.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let is_there = git(root, &["merge-base", BASE, "HEAD"]);
    let Some(base) = is_there
        .as_deref()
        .map(str::trim)
        .filter(|base| !base.is_empty())
    else {
        return Vec::new();
    };
    let range = format!("{base}..HEAD");
    let log = git(root, &["log", "--no-merges", "--format=%h %s", &range]);
    log.iter()
        .flat_map(|log| log.lines())
        .filter_map(of_commit)
        .collect()
}

/// What git prints, if it succeeds.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(root)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// A line of the log: the commit and its subject.
fn of_commit(line: &str) -> Option<Finding> {
    let (commit, subject) = line.split_once(' ')?;
    let characters = subject.chars().count();
    (characters > MAX_CHARACTERS).then(|| Finding {
        file: commit.to_owned(),
        line: 1,
        rule: RULE,
        text: format!(
            "the subject has {characters} characters, {MAX_CHARACTERS} are allowed; \
             say what changed there and why in the body (`git rebase -i`): {subject}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_more_than_72_characters_are_found() {
        let subject = |length| format!("abc1234 {}", "é".repeat(length));
        assert_eq!(of_commit(&subject(72)), None);
        let finding = of_commit(&subject(73)).unwrap();
        assert!(
            finding
                .to_string()
                .starts_with("abc1234:1: commit-subject: the subject has 73"),
            "{finding}"
        );
    }

    #[test]
    fn without_a_repository_there_are_no_commits() {
        assert_eq!(check(Path::new("/")), []);
    }
}
