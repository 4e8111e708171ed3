//! A file is a few pages: at most four hundred lines, tests of private things included.

use super::tree::{Kind, Tree};
use super::{Exception, Finding, unneeded};

const MAX_LINES: usize = 400;
const RULE: &str = "file-length";

/// Longer files, each for its reason.
const EXCEPTIONS: &[Exception] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, EXCEPTIONS)
}

fn check_with(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let code = tree
        .files
        .iter()
        .filter(|file| matches!(file.kind, Kind::Rust | Kind::Lua));
    let too_long = code.map(|file| (file.path.as_str(), file.source.text().lines().count()));
    let too_long: Vec<(&str, usize)> = too_long.filter(|(_, lines)| *lines > MAX_LINES).collect();
    let is_excepted = |path: &str| exceptions.iter().any(|exception| exception.file == path);
    let findings = too_long.iter().filter(|(path, _)| !is_excepted(path));
    let findings = findings.map(|(path, lines)| Finding {
        file: (*path).to_owned(),
        line: MAX_LINES + 1,
        rule: RULE,
        text: format!(
            "{lines} lines, {MAX_LINES} are allowed; split it where a second thing begins, \
             or except it, with the reason, in `xtask/src/tidy/lengths.rs`"
        ),
    });
    let is_needed = |path: &str| too_long.iter().any(|(long, _)| *long == path);
    let unneeded = unneeded(exceptions, RULE, "xtask/src/tidy/lengths.rs", is_needed);
    findings.chain(unneeded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_need_an_exception_and_short_ones_must_have_none() {
        let (short, long) = ("x\n".repeat(400), "x\n".repeat(401));
        let tree = Tree::of([
            ("long.rs", long.as_str()),
            ("long.lua", long.as_str()),
            ("long.md", long.as_str()),
            ("short.rs", short.as_str()),
        ]);
        let found = |exceptions: &[Exception]| -> Vec<String> {
            let findings = check_with(&tree, exceptions).into_iter();
            findings.map(|finding| finding.to_string()).collect()
        };
        let findings = found(&[]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(
            findings[0].starts_with("long.lua:401: file-length: 401 lines"),
            "{findings:?}"
        );

        let exception = |file| Exception {
            file,
            reason: "a table",
        };
        let findings = found(&[
            exception("long.rs"),
            exception("short.rs"),
            exception("gone.rs"),
        ]);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(
            findings[1].contains("`short.rs` (a table) is not needed"),
            "{findings:?}"
        );
        assert!(findings[2].contains("`gone.rs`"), "{findings:?}");
    }
}
