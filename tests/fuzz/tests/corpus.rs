//! The corpora of the fuzzer and random changes of them, with a stable compiler: a regression test for all findings of
//! the fuzzer.
//!
//! `FUZZ_SEED` selects other changes, `FUZZ_RUNS` their number.

use std::path::{Path, PathBuf};
use std::{env, fs, panic};

use fuzz_tests::{MAX_BYTES, TARGETS, Target};

/// Changed inputs of each target.
const RUNS: u64 = 1_500;

/// splitmix64: small, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, or 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = fs::read_dir(folder.join(name)).expect("a corpus of that name");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort_unstable(); // so that a seed means the same everywhere
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file that can be read");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Runs one input; what panics is named, and how to have it again.
fn check((name, target): Target, bytes: &[u8], from: &Path) {
    let result = panic::catch_unwind(|| target(bytes));
    assert!(
        result.is_ok(),
        "{name}: made from {}: {:?}",
        from.display(),
        String::from_utf8_lossy(bytes)
    );
}

/// One to four changes: bytes, pieces, and pieces of another input.
fn changed(rng: &mut Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() + 1);
        let end = at + rng.below((bytes.len() - at).min(16) + 1);
        let from = rng.below(other.len());
        let piece = &other[from..(from + rng.below(24)).min(other.len())];
        match rng.below(6) {
            0 => bytes.insert(at, rng.next() as u8),
            1 => bytes.insert(at, *rng.pick(b" \n\r*-/,:#~{}[]()\"'0123456789LW$+@%")),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..end, piece.iter().copied())),
            4 => bytes.extend_from_slice(piece),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
        }
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn env_number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn what_was_found_is_right_now_and_so_is_what_is_like_it() {
    let seed = env_number("FUZZ_SEED").unwrap_or(1);
    let runs = env_number("FUZZ_RUNS").unwrap_or(RUNS);
    for target in TARGETS {
        let corpus = corpus(target.0);
        assert!(corpus.len() >= 5, "{}: a corpus too small", target.0);
        for (path, bytes) in &corpus {
            check(target, bytes, path);
        }
        let mut rng = Rng(seed);
        for _ in 0..runs {
            let (path, bytes) = rng.pick(&corpus);
            let (_, other) = rng.pick(&corpus);
            let bytes = changed(&mut rng, bytes, other);
            check(target, &bytes, path);
        }
    }
}

/// The replies of the corpus are such: else they would only test the first look.
#[test]
fn each_operation_has_a_reply_that_can_be_read() {
    let read = |bytes: &[u8]| {
        scheduled_one_redis::fuzzing::reply(bytes)
            .into_iter()
            .map(|read| read.operation)
    };
    let all: Vec<&str> = corpus("reply")
        .iter()
        .flat_map(|(_, bytes)| read(bytes))
        .collect();
    for operation in [
        "claim",
        "renew",
        "finish",
        "register",
        "write_off",
        "inspect",
        "read_overdue",
        "heartbeat",
        "record",
        "ledger",
        "ask",
        "take",
        "cancel",
        "control",
    ] {
        assert!(
            all.contains(&operation),
            "no reply of {operation} in the corpus"
        );
    }
}
