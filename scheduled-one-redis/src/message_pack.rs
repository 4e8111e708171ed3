//! Maps in MessagePack, which Lua reads with `cmsgpack.unpack`.
//!
//! By hand, because three of its formats are enough: maps of at most 15 named
//! integers, texts, truths and maps. Crates for all of MessagePack bring serde or
//! other dependencies into every user's build. `cmsgpack` is part of Redis since
//! 2.6, and of Valkey, KeyDB and Dragonfly; it is a library of scripts, no command,
//! so no ACL has a say in it. The preflight tries it.

/// A map under construction.
#[derive(Default)]
pub(crate) struct Map {
    entries: u8,
    bytes: Vec<u8>,
}

/// Most entries of a map of this form, "fixmap".
const MAX_ENTRIES: u8 = 15;

impl Map {
    pub(crate) fn int(&mut self, name: &str, int: i64) {
        self.name(name);
        match u8::try_from(int) {
            Ok(small @ 0..=0x7f) => self.bytes.push(small), // "positive fixint"
            _ => {
                self.bytes.push(0xd3); // "int 64"
                self.bytes.extend(int.to_be_bytes());
            }
        }
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_text(&mut self.bytes, text);
    }

    pub(crate) fn truth(&mut self, name: &str) {
        self.name(name);
        self.bytes.push(0xc3); // "true"
    }

    pub(crate) fn map(&mut self, name: &str, map: Map) {
        self.name(name);
        self.bytes.extend(map.into_bytes());
    }

    /// The map; no byte at all if it has no entry.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        if self.entries > 0 {
            self.bytes.insert(0, 0x80 | self.entries);
        }
        self.bytes
    }

    fn name(&mut self, name: &str) {
        debug_assert!(
            self.entries < MAX_ENTRIES,
            "one map of {MAX_ENTRIES} entries"
        );
        self.entries += 1;
        write_text(&mut self.bytes, name);
    }
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(short @ 0..=31) => bytes.push(0xa0 | short), // "fixstr"
        _ => {
            // Longest text of a request: far below the 4 GiB of "str 32".
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.push(0xdb);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(write: impl Fn(&mut Map)) -> Vec<u8> {
        let mut map = Map::default();
        write(&mut map);
        map.into_bytes()
    }

    #[test]
    fn values_are_written_as_the_specification_has_them() {
        let int = |int: i64| one(|map| map.int("a", int));
        assert_eq!(int(0), b"\x81\xa1a\x00");
        assert_eq!(int(127), b"\x81\xa1a\x7f");
        assert_eq!(int(128), b"\x81\xa1a\xd3\0\0\0\0\0\0\0\x80");
        assert_eq!(int(-2), b"\x81\xa1a\xd3\xff\xff\xff\xff\xff\xff\xff\xfe");
        let text = |length: usize| one(|map| map.text("a", &"x".repeat(length)));
        assert_eq!(text(0), b"\x81\xa1a\xa0");
        assert!(text(31).starts_with(b"\x81\xa1a\xbfx"));
        assert!(text(32).starts_with(b"\x81\xa1a\xdb\0\0\0\x20x"));
        assert_eq!(text(70_000).len(), 3 + 5 + 70_000);
        assert_eq!(one(|map| map.truth("a")), b"\x81\xa1a\xc3");
    }

    #[test]
    fn a_map_counts_its_entries_and_an_empty_one_is_nothing() {
        assert_eq!(Map::default().into_bytes(), b"");
        let nested = one(|map| {
            let mut inner = Map::default();
            inner.int("b", 1);
            inner.int("c", 2);
            map.map("a", inner);
            map.truth("d");
        });
        assert_eq!(nested, b"\x82\xa1a\x82\xa1b\x01\xa1c\x02\xa1d\xc3");
    }
}
