use super::*;

const PURE: Layer = Layer {
    within: &["a/src/"],
    except: &["a/src/clock.rs"],
    absent: &["std::time::Instant::now", "redis"],
    instead: "pass it",
};

fn found(file: &str, text: &str) -> Vec<String> {
    let tree = Tree::of([(file, text), ("a/src/clock.rs", "")]);
    let findings = check_with(&tree, &[PURE]).into_iter();
    let findings = findings.filter(|finding| finding.file == file);
    findings.map(|finding| finding.to_string()).collect()
}

#[test]
fn what_is_absent_is_found_by_any_name() {
    let text = "use std::time::{self, Instant as Now};\nuse redis::Client;\n\
                fn f() { Now::now(); time::Instant::now(); std::time::Instant::now(); Client::open(); }";
    let found = found("a/src/b.rs", text);
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(
        found[0],
        "a/src/b.rs:2: layer: refers to `redis::Client`: pass it"
    );
    assert!(
        found[1].contains(":3: layer: refers to `std::time::Instant::now`"),
        "{found:?}"
    );
}

#[test]
fn exceptions_tests_comments_and_own_modules_pass() {
    let text = "use std::time::Instant;\nfn f() { Instant::now(); }";
    assert_eq!(found("a/src/clock.rs", text).len(), 0);
    assert_eq!(found("b/src/lib.rs", text).len(), 0);
    assert_eq!(found("a/src/b.rs", text).len(), 1);
    let text = format!(
        "#[cfg(test)]\nmod tests {{ {text} }}\n// std::time::Instant::now\nuse crate::redis::X;"
    );
    assert_eq!(found("a/src/b.rs", &text).len(), 0);
    assert_eq!(
        found("a/src/b.rs", "use redis_lock::X; use std::time::Instant;").len(),
        0
    );
}

#[test]
fn a_row_about_no_file_is_found() {
    let findings = check_with(&Tree::of([("b.rs", "")]), &[PURE]);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(
        findings[0].text.contains("no file begins with `a/src/`"),
        "{}",
        findings[0]
    );
}
