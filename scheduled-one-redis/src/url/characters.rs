//! The characters of a URL: which have to be percent-encoded, and decoding them.

use crate::url::BadUrl;
use crate::url::parse::bad;

/// Refuses quotation marks around a URL, and white space and control characters in it. White space around it was
/// removed before.
pub(super) fn check(url: &str) -> Result<(), BadUrl> {
    for end in [url.chars().next(), url.chars().next_back()] {
        if let Some(mark @ ('"' | '\'' | '`' | '“' | '”')) = end {
            return Err(bad(&format!(
                "it has the character {mark:?} around it: write it without quotation marks (some tools keep those of \
                 an .env file)"
            )));
        }
    }
    match url.chars().find(|c| c.is_whitespace() || c.is_control()) {
        Some(c) => Err(bad(&format!(
            "it has the character {c:?} in it; {}",
            remedy(c)
        ))),
        None => Ok(()),
    }
}

/// How to write a character.
pub(super) fn remedy(c: char) -> String {
    let mut buffer = [0; 4];
    let encoded = c.encode_utf8(&mut buffer).bytes();
    let encoded: String = encoded.map(|byte| format!("%{byte:02X}")).collect();
    format!("in a user name, a password or a path it is written {encoded}")
}

/// The first character of the text that is not allowed; never a letter or a digit, which may be of a password.
pub(super) fn find_bad(text: &str, allowed: impl Fn(char) -> bool) -> Option<char> {
    text.chars().find(|c| !c.is_alphanumeric() && !allowed(*c))
}

/// Decodes `%XX`.
pub(super) fn decode(text: &str) -> Result<String, BadUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
                _ => {
                    return Err(bad(
                        "it has the character '%' without two hexadecimal digits behind it; % itself is written %25",
                    ));
                }
            },
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("what is percent-encoded in it is not UTF-8"))
}
