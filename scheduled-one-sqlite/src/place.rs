//! The URL of a file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::open_error::OpenError;

const SCHEME: &str = "sqlite://";

/// The path that a URL names. Bytes may be percent-encoded; a `?` or `%` in a name has to be.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, OpenError> {
    let bad = |why: &str| OpenError::BadUrl(why.to_owned());
    let Some(text) = url.strip_prefix(SCHEME) else {
        return Err(bad("it does not begin with sqlite://"));
    };
    if text.contains(['?', '#']) {
        return Err(bad(
            "it has a ? or a #: there are no parameters, and in a name they are written %3F and %23",
        ));
    }
    if text.is_empty() || text.ends_with('/') {
        return Err(bad("it names no file"));
    }
    if text == ":memory:" {
        return Err(bad("a store in memory is memory://"));
    }
    let bytes = decoded(text.as_bytes()).ok_or_else(|| {
        bad("a % has to be followed by two hexadecimal digits; the character % is written %25")
    })?;
    if bytes.contains(&0) {
        return Err(bad("a path has no zero byte"));
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// Whether the file that a URL names is there; `true` also for a URL that names none, which opening refuses.
///
/// ```
/// assert!(!scheduled_one_sqlite::exists("sqlite:///no/such/file.db"));
/// ```
pub fn exists(url: &str) -> bool {
    path_of(url).map_or(true, |path| path.exists())
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (&[high, low], behind) = rest.split_first_chunk()?;
        bytes.push(digit(high)? << 4 | digit(low)?);
        rest = behind;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_url_names_a_path() {
        let cases = [
            ("sqlite:///var/lib/jobs.db", "/var/lib/jobs.db"),
            ("sqlite://jobs.db", "jobs.db"),
            ("sqlite://./a%20b%3f.db", "./a b?.db"),
            ("sqlite:///tmp/file:x", "/tmp/file:x"),
        ];
        for (url, path) in cases {
            assert_eq!(path_of(url).as_deref(), Ok(Path::new(path)), "{url}");
        }
    }

    #[test]
    fn a_url_without_a_file_is_refused_with_the_forms() {
        for url in [
            "sqlite://",
            "sqlite:///",
            "sqlite:///folder/",
            "sqlite://:memory:",
            "sqlite:///a.db?mode=ro",
            "sqlite:///a%2",
            "sqlite:///a%zz",
            "sqlite:///a%00",
            "file:///a",
        ] {
            let text = path_of(url).unwrap_err().to_string();
            assert!(text.contains("sqlite:///folder/jobs.db"), "{url}: {text}");
        }
    }
}
