//! A line of code or comment has at most 120 columns.

use super::Finding;
use super::tree::{File, Kind, Tree};

const MAX_COLUMNS: usize = 120;
const RULE: &str = "line-length";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(of_file).collect()
}

/// Markdown has one sentence a line, however long that is.
fn of_file(file: &File) -> Vec<Finding> {
    if !matches!(file.kind, Kind::Rust | Kind::Lua | Kind::Hash) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut offset = 0;
    for (number, line) in (1..).zip(file.source.text().split_inclusive('\n')) {
        let text = line.trim_end();
        let columns = text.chars().count();
        if columns > MAX_COLUMNS && !is_unbreakable(file, offset, text) {
            findings.push(Finding {
                file: file.path.clone(),
                line: number,
                rule: RULE,
                text: format!("{columns} columns, {MAX_COLUMNS} are allowed; break the line"),
            });
        }
        offset += line.len();
    }
    findings
}

/// Rows of tables, addresses, and literals that cross the limit.
fn is_unbreakable(file: &File, offset: usize, line: &str) -> bool {
    let comment = line
        .trim_start()
        .trim_start_matches(['/', '!', '#', '-'])
        .trim_start();
    let is_row = comment.starts_with('|') && line.trim_start() != comment;
    let limit = line
        .char_indices()
        .nth(MAX_COLUMNS)
        .map_or(line.len(), |(at, _)| at);
    let has_address = line
        .split_whitespace()
        .any(|word| word.contains("://") && word.len() > MAX_COLUMNS / 2);
    // One column before the limit as well: at the limit itself there may be only `",`.
    let is_literal =
        file.source.is_literal(offset + limit) || file.source.is_literal(offset + limit - 3);
    is_row || has_address || is_literal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let findings = check(&Tree::of([("a.rs", text)]));
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn code_and_comments_are_measured_in_characters() {
        let exact = format!("// {}", "é".repeat(117));
        assert!(lines(&exact).is_empty());
        assert_eq!(lines(&format!("\n{exact}é")), [2]);
        assert_eq!(lines(&format!("f({});", "x".repeat(120))), [1]);
    }

    #[test]
    fn what_cannot_be_broken_passes() {
        let long = "x ".repeat(100);
        assert!(lines(&format!("f(\"{long}\", 1);")).is_empty());
        assert!(lines(&format!("/// | {long} |")).is_empty());
        let address = format!("//! <https://example.org/{}>", "x".repeat(120));
        assert!(lines(&address).is_empty());
        assert_eq!(lines(&format!("let a = b || {};", "x || ".repeat(40))), [1]);
    }
}
