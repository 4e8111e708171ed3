//! Labels of nodes, and the labels that a job names in `on`.

use crate::name::check_name;

/// In `on`: any node.
pub const ANY_NODE: &str = "*";

/// Most labels of a node, and most that a job names.
pub const MAX_LABELS: usize = 16;

/// Checks the next label of `on`, behind these.
///
/// # Errors
///
/// What is wrong with it, and the way out.
pub fn check_label(before: &[String], label: &str) -> Result<(), String> {
    if before.iter().any(|it| it == ANY_NODE) {
        return Err(
            "`\"*\"` stands for any node, so no label behind it is looked at\n\
                    help: write `\"*\"` as the last one"
                .to_owned(),
        );
    }
    if before.iter().any(|it| it == label) {
        return Err(format!("`on` names `{label}` twice"));
    }
    if before.len() >= MAX_LABELS {
        return Err(format!("`on` names more than {MAX_LABELS} labels"));
    }
    if label == ANY_NODE && before.is_empty() {
        return Err(
            "`on = [\"*\"]` is every node, as without `on`\nhelp: leave `on` out".to_owned(),
        );
    }
    if label == ANY_NODE {
        return Ok(());
    }
    check_name(label).map_err(|error| format!("a label is in the form of names: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_of_a_list_is_found_at_its_label() {
        let check = |labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|it| (*it).to_owned()).collect();
            let (last, before) = labels.split_last().expect("a label");
            check_label(before, last)
        };
        for right in [&["gpu"][..], &["gpu", "big"], &["gpu", "*"]] {
            assert_eq!(check(right), Ok(()), "{right:?}");
        }
        for (wrong, word) in [
            (&["*"][..], "every node"),
            (&["gpu", "*", "big"], "last one"),
            (&["gpu", "gpu"], "twice"),
            (&["g p u"], "form of names"),
            (&[""], "form of names"),
        ] {
            let message = check(wrong).expect_err("wrong");
            assert!(message.contains(word), "{message}");
        }
        let many: Vec<String> = (0..MAX_LABELS).map(|nth| format!("l{nth}")).collect();
        assert!(check_label(&many, "one-more").is_err());
    }
}
