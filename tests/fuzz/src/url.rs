//! Any text as the URL of a store, with a secret in it.

use scheduled_one_redis::fuzzing;

/// Stands for the secret in the input.
const HOLE: &str = "{}";
/// The secret, of which no part may be shown.
const SECRET: &str = "hUnTeR2x%2FsEcReT%21";
/// Parts of it, as it was written and as it is decoded.
const PARTS: [&str; 3] = ["hUnTeR2x", "sEcReT", "x/sE"];

/// What is refused is not repeated, and what is taken is shown without its
/// login, wherever in the text the secret stands.
pub fn url(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let text = text.replace(HOLE, SECRET);
    match fuzzing::url(&text) {
        Ok(shown) => {
            // A host is shown, whoever called it that.
            let beside = beside_login(&text);
            if !PARTS.iter().any(|part| contains(beside, part)) {
                shows_nothing(&text, &shown);
            }
        }
        Err(shown) => shows_nothing(&text, &shown),
    }
}

fn shows_nothing(text: &str, shown: &[String; 2]) {
    for (form, part) in shown.iter().flat_map(|form| PARTS.map(|part| (form, part))) {
        assert!(!contains(form, part), "{text:?} is shown as {form:?}");
    }
}

/// In whatever case: hosts lose theirs.
fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// The hosts and the path of a URL: what stands between the login and the options.
fn beside_login(text: &str) -> &str {
    let (_, rest) = text.split_once("://").unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let login = rest[..end].rfind('@').map_or(0, |at| at + 1);
    let rest = &rest[login..];
    rest.split('?').next().unwrap_or(rest)
}
