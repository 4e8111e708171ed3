//! Percent-encoded text.

/// What the text stands for; `None` if it is malformed.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
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
