//! Foreign values for the keys of a namespace.

use deadpool_redis::redis::{Cmd, cmd};

/// The fields of a record.
pub(crate) const FIELDS: [&str; 20] = [
    "born", "hwm", "tok", "st", "tick", "own", "non", "att", "rtok", "until", "seq", "lease", "at",
    "rer", "done", "bt", "ba", "wait", "q", "sch",
];

/// The fields of an entry of a ledger.
const LINE: [&str; 11] = [
    "tick", "last", "n", "out", "why", "node", "tok", "att", "fired", "ended", "err",
];

/// splitmix64: small, and the same everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Values of several kinds; the random ones differ from call to call.
pub(crate) fn values(rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut random = rng.bytes(24);
    random[0] = 0xff; // surely no text
    let mut values = vec![random, "x".repeat(10_000).into_bytes()];
    let texts = [
        "",
        "abc",
        "-1",
        "0.5",
        "nan",
        "-inf",
        "1e400",
        "9007199254740992",
        "99999999999999999999999",
        "0x7fffffffffffffff",
        "\0\0\0",
        "-ERR no\r\n+OK\r\n",
        "1:1,2:2:2",
        "1:1:1,,9007199254740000:4294967296:1",
    ];
    values.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
    values
}

/// What is done to one job.
pub(crate) enum Damage {
    /// A field of its record.
    Field(&'static str, Vec<u8>),
    /// Its record is of another type.
    Record(&'static [&'static str]),
    /// Its ledger is of another type.
    Ledger(&'static [&'static str]),
    /// An entry that no node has written.
    Entry(Vec<(&'static str, Vec<u8>)>),
    /// An entry with the last id there can be: no other can follow.
    LastEntry,
}

impl Damage {
    /// Everything that can be done to a job.
    pub(crate) fn all(rng: &mut Rng) -> Vec<Damage> {
        let mut all = Vec::new();
        for field in FIELDS {
            let values = values(rng).into_iter();
            all.extend(values.map(|value| Damage::Field(field, value)));
        }
        const TYPES: [&[&str]; 3] = [&["SET", "x"], &["RPUSH", "x", "y"], &["ZADD", "1", "x"]];
        all.extend(TYPES.map(Damage::Record));
        all.extend(TYPES.map(Damage::Ledger));
        let entry = |changed: &str, value: Option<Vec<u8>>| {
            let usual = |name: &str| match name {
                "out" => b"ok".to_vec(),
                _ => b"1".to_vec(),
            };
            let mut fields: Vec<_> = LINE.map(|name| (name, usual(name))).to_vec();
            match value {
                Some(value) => fields.iter_mut().for_each(|(name, it)| {
                    if *name == changed {
                        it.clone_from(&value);
                    }
                }),
                None => fields.retain(|(name, _)| *name != changed),
            }
            Damage::Entry(fields)
        };
        for field in LINE {
            all.push(entry(field, None));
            all.push(entry(field, Some(rng.bytes(9))));
        }
        all.push(entry("tick", Some(b"9223372036854775807".to_vec())));
        all.push(entry("att", Some(b"4294967296".to_vec())));
        all.push(Damage::LastEntry);
        all
    }

    pub(crate) fn command(&self, namespace: &str, job: &str) -> Cmd {
        let record = format!("so:{{{namespace}}}:job:{job}");
        let ledger = format!("so:{{{namespace}}}:log:{job}");
        let mut command = Cmd::new();
        match self {
            Damage::Field(field, value) => command.arg("HSET").arg(record).arg(field).arg(value),
            Damage::Record(write) => replace(&mut command, &record, write),
            Damage::Ledger(write) => replace(&mut command, &ledger, write),
            Damage::Entry(fields) => {
                command.arg("XADD").arg(ledger).arg("*");
                for (name, value) in fields {
                    command.arg(name).arg(value);
                }
                &mut command
            }
            Damage::LastEntry => command
                .arg("XADD")
                .arg(ledger)
                .arg("18446744073709551615-18446744073709551615")
                .arg("x")
                .arg("y"),
        };
        command
    }
}

/// One command, as no other may come between: deletes a key and writes it anew.
fn replace<'a>(command: &'a mut Cmd, key: &str, write: &[&str]) -> &'a mut Cmd {
    *command = cmd("EVAL");
    command
        .arg("redis.call('DEL', KEYS[1]) return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))")
        .arg(1)
        .arg(key)
        .arg(write)
}
