//! The hash slot of a key: <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

/// How many slots a cluster has.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key: the CRC16 of its hash tag, or of all of it if it has none.
#[must_use]
pub fn key_slot(key: &str) -> u16 {
    crc16(hash_tag(key).as_bytes()) % SLOTS
}

/// What is between the first `{` and the first `}` after it, unless that is nothing.
fn hash_tag(key: &str) -> &str {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    match tag {
        Some((tag, _)) if !tag.is_empty() => tag,
        _ => key,
    }
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let carry = crc & 0x8000 != 0;
            crc << 1 ^ if carry { 0x1021 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn keys_with_the_same_tag_share_a_slot() {
        assert_eq!(key_slot("{user}.a"), key_slot("user"));
        assert_eq!(key_slot("x{user}y{z}"), key_slot("user"));
        assert_eq!(hash_tag("{}key"), "{}key");
        assert_eq!(hash_tag("{open"), "{open");
        assert_eq!(hash_tag("a{{b}}c"), "{b");
    }
}
