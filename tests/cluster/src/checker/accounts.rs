//! E1: every tick in exactly one outcome, and in the right one.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::runs::{Run, Unit};
use super::{History, Violation, Window, WindowKind};
use crate::log::Kind;

/// What the store says became of a tick, in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Of which job.
    pub job: String,
    /// Of which shard.
    pub shard: u32,
    /// The tick.
    pub tick_ms: i64,
    /// How many outcomes of it the ledger has.
    pub outcomes: u32,
    /// What became of it.
    pub fate: Fate,
    /// The period of the job when that was asked; 0 if it is not known.
    pub every_ms: i64,
    /// Which time it was asked: what lies between two is not accounted for.
    pub asked: usize,
}

/// As `scheduled_one_runtime::TickStatus`, as far as a rule is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A function returned `Ok`.
    Ok,
    /// A function returned an error, or panicked.
    Failed,
    /// It was told to stop: timed out, cancelled.
    Stopped,
    /// Its node is gone.
    Lost,
    /// It did not run, because another did.
    Skipped,
    /// It did not run, because nobody could run it in time.
    Missed,
    /// It goes, waits, or is due.
    Open,
    /// Decided, and no longer known what.
    Unknown,
}

impl FromStr for Account {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        parse(line).ok_or_else(|| format!("not an account: {line:?}"))
    }
}

fn parse(line: &str) -> Option<Account> {
    let mut words = line.split(' ');
    Some(Account {
        job: words.next()?.to_owned(),
        shard: words.next()?.parse().ok()?,
        tick_ms: words.next()?.parse().ok()?,
        outcomes: words.next()?.parse().ok()?,
        fate: match words.next()? {
            "Decided(Ok)" => Fate::Ok,
            "Decided(Failed)" | "Decided(Panicked)" => Fate::Failed,
            "Decided(TimedOut)" | "Decided(Cancelled)" => Fate::Stopped,
            "Decided(Lost)" | "Decided(TakenOver)" => Fate::Lost,
            "Decided(Skipped)" => Fate::Skipped,
            "Decided(Missed)" => Fate::Missed,
            "Running" | "Waiting" | "Due" => Fate::Open,
            "Unknown" | "NoLongerKept" => Fate::Unknown,
            _ => return None,
        },
        every_ms: 0,
        asked: 0,
    })
}

/// How long after a fault its consequences last: reconnecting, a quarantine, a
/// lease, and what a slow machine adds.
const AFTERMATH_US: u64 = 8_000_000;

/// How long before a fault a run may have begun that it ends.
const RUNS_FOR_US: u64 = 8_000_000;

/// - each tick has an account, and is decided;
/// - it has one outcome, and is known (unless the store may have forgotten it);
/// - what its function saw of itself agrees with what the ledger says;
/// - it is lost or missed only if something happened.
pub(super) fn violations(
    history: &History<'_>,
    units: &BTreeMap<Unit, Vec<Run<'_>>>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for account in history.accounts {
        let unit = unit_of(account);
        let runs = units.get(&unit).map_or(&[][..], Vec::as_slice);
        let runs: Vec<&Run<'_>> = runs
            .iter()
            .filter(|run| run.start.tick_ms == account.tick_ms)
            .collect();
        let at_us = around(history, account, &runs);
        if let Some(what) = disagrees(history, account, &runs, at_us) {
            found.push(violation(account, &runs, at_us, what));
        }
    }
    found.extend(gaps(history, units));
    found
}

fn unit_of(account: &Account) -> Unit {
    Unit {
        job: account.job.clone(),
        shard: account.shard,
        node: None,
    }
}

/// When the tick was due, by the boot clock: when it started, or else when
/// something of that time did.
fn around(history: &History<'_>, account: &Account, runs: &[&Run<'_>]) -> u64 {
    let mut later = history.events.iter();
    let later = later.find(|event| event.tick_ms >= account.tick_ms);
    let started = runs.first().map(|run| run.start.boot_us);
    started.or(later.map(|event| event.boot_us)).unwrap_or(0)
}

fn disagrees(
    history: &History<'_>,
    account: &Account,
    runs: &[&Run<'_>],
    at_us: u64,
) -> Option<&'static str> {
    let ended = |how| runs.iter().any(|run| run.ended(how));
    let forgotten = may_be_forgotten(history, at_us);
    if account.outcomes > 1 && !forgotten {
        return Some("more than one outcome");
    }
    match account.fate {
        Fate::Open => Some("not decided"),
        Fate::Unknown if !forgotten => Some("decided, and nobody knows what became of it"),
        Fate::Ok if !ended(Kind::End) => Some("ok, but no function ended well"),
        Fate::Failed if !ended(Kind::Fail) => Some("failed, but no function did"),
        // It may be granted, and told to stop before its function is called.
        Fate::Stopped if runs.is_empty() && !had_a_cause(history, at_us) => {
            Some("stopped without a start, and nothing happened")
        }
        Fate::Skipped | Fate::Missed if !runs.is_empty() && !forgotten => {
            Some("it ran, and is said not to have")
        }
        Fate::Lost if !had_a_cause(history, at_us) => Some("lost, and nothing happened"),
        Fate::Missed if !had_a_cause(history, at_us) => Some("missed, and nothing happened"),
        _ => None,
    }
}

/// Whether the store may not know any more what it knew then.
fn may_be_forgotten(history: &History<'_>, at_us: u64) -> bool {
    let forgets = history.of_kind(WindowKind::Forgets);
    let mut forgets = forgets.chain(history.of_kind(WindowKind::TwoStores));
    forgets.any(|window| at_us < window.to_us + AFTERMATH_US)
}

/// Whether something was done to the cluster then that can lose a tick. Broken
/// connections cannot, while others are served.
fn had_a_cause(history: &History<'_>, at_us: u64) -> bool {
    let touches = |window: &&Window| {
        let from_us = window.from_us.saturating_sub(RUNS_FOR_US);
        (from_us..window.to_us + AFTERMATH_US).contains(&at_us)
    };
    let mut windows = history.windows.iter().filter(touches);
    windows.any(|window| window.kind != WindowKind::Bumpy)
}

/// Ticks without an account: what started, and what is due in between.
fn gaps(history: &History<'_>, units: &BTreeMap<Unit, Vec<Run<'_>>>) -> Vec<Violation> {
    let mut by_unit: BTreeMap<(Unit, i64, usize), BTreeSet<i64>> = BTreeMap::new();
    for account in history.accounts {
        let key = (unit_of(account), account.every_ms, account.asked);
        by_unit.entry(key).or_default().insert(account.tick_ms);
    }
    let mut found = Vec::new();
    for ((unit, every_ms, asked), ticks) in &by_unit {
        let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else {
            continue;
        };
        let runs = units.get(unit).map_or(&[][..], Vec::as_slice);
        let started = runs.iter().map(|run| run.start.tick_ms);
        let due = (*first..=*last).step_by((*every_ms).max(1) as usize);
        let due = due.filter(|_| *every_ms > 0);
        let expected = started
            .filter(|tick| (*first..=*last).contains(tick))
            .chain(due);
        for tick_ms in expected.filter(|tick| !ticks.contains(tick)) {
            let account = Account {
                job: unit.job.clone(),
                shard: unit.shard,
                tick_ms,
                outcomes: 0,
                fate: Fate::Unknown,
                every_ms: *every_ms,
                asked: *asked,
            };
            let at_us = around(history, &account, &[]);
            if !may_be_forgotten(history, at_us) {
                found.push(violation(&account, &[], at_us, "no account of it"));
            }
        }
    }
    found
}

fn violation(account: &Account, runs: &[&Run<'_>], at_us: u64, what: &str) -> Violation {
    let mut text = format!("{what}: {account:?}");
    for run in runs {
        text += &format!("\n  {} … last seen {}", run.start, run.last_us());
    }
    Violation {
        rule: "E1",
        text,
        job: account.job.clone(),
        at_us,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{broken, event, window};
    use super::*;

    fn account(fate: Fate) -> Account {
        Account {
            job: "job".to_owned(),
            shard: 0,
            tick_ms: 1,
            outcomes: 1,
            fate,
            every_ms: 0,
            asked: 0,
        }
    }

    #[test]
    fn accounts_agree_with_what_was_seen() {
        let killed = [window(WindowKind::Killed, "a", 5, 6)];
        let ran = [
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::End, 20, "a", 1, 100),
        ];
        let started = &ran[..1];
        for (events, fate, rules) in [
            (&ran[..], Fate::Ok, &[][..]),
            (&ran, Fate::Lost, &[]),    // the finish never arrived
            (&ran, Fate::Stopped, &[]), // told to while it ended
            (&ran, Fate::Failed, &["E1"]),
            (&ran, Fate::Missed, &["E1"]),
            (&ran, Fate::Skipped, &["E1"]),
            (&ran, Fate::Open, &["E1"]),
            (&ran, Fate::Unknown, &["E1"]),
            (started, Fate::Ok, &["E1"]),
            (started, Fate::Stopped, &[]),
            (started, Fate::Lost, &[]),
            (&[], Fate::Missed, &[]),
            (&[], Fate::Skipped, &[]),
            (&[], Fate::Ok, &["E1"]),
            (&[], Fate::Stopped, &[]),
        ] {
            let found = broken(events, &killed, &[account(fate)]);
            assert_eq!(found, rules, "{fate:?} of {events:?}");
        }
    }

    #[test]
    fn a_tick_has_one_outcome() {
        let twice = Account {
            outcomes: 2,
            ..account(Fate::Ok)
        };
        let ran = [
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::End, 20, "a", 1, 100),
        ];
        assert_eq!(broken(&ran, &[], std::slice::from_ref(&twice)), ["E1"]);
    }

    #[test]
    fn nothing_is_lost_or_missed_without_a_cause() {
        for fate in [Fate::Lost, Fate::Missed, Fate::Stopped] {
            assert_eq!(broken(&[], &[], &[account(fate)]), ["E1"]);
            let bumpy = [window(WindowKind::Bumpy, "a", 5, 6)];
            assert_eq!(broken(&[], &bumpy, &[account(fate)]), ["E1"]);
            let killed = [window(WindowKind::Killed, "a", 5, 6)];
            assert!(broken(&[], &killed, &[account(fate)]).is_empty());
            let later = [window(WindowKind::Killed, "a", 90_000_000, 90_000_001)];
            assert_eq!(broken(&[], &later, &[account(fate)]), ["E1"]);
        }
    }

    #[test]
    fn every_tick_has_an_account() {
        let ok = |tick_ms| Account {
            tick_ms,
            every_ms: 10,
            ..account(Fate::Skipped)
        };
        assert!(broken(&[], &[], &[ok(10), ok(20), ok(30)]).is_empty());
        assert_eq!(broken(&[], &[], &[ok(10), ok(30)]), ["E1"]);
        let started = [event(Kind::Start, 10, "a", 15, 100)];
        assert_eq!(broken(&started, &[], &[ok(10), ok(20)]), ["E1"]);
    }

    #[test]
    fn a_store_that_forgets_may_not_know_but_must_decide() {
        let forgets = [window(WindowKind::Forgets, "a", 5, 6)];
        assert!(broken(&[], &forgets, &[account(Fate::Unknown)]).is_empty());
        assert_eq!(broken(&[], &forgets, &[account(Fate::Open)]), ["E1"]);
        // What came due long after it is known.
        let late = [event(Kind::Start, 90_000_000, "a", 1, 100)];
        assert_eq!(broken(&late, &forgets, &[account(Fate::Unknown)]), ["E1"]);
    }

    #[test]
    fn lines_are_read() {
        let line = "long 2 1700000000000 1 Decided(TimedOut)";
        let account: Account = line.parse().expect("an account");
        assert_eq!((account.shard, account.fate), (2, Fate::Stopped));
        assert!("long 2 1700 1 Decided(New)".parse::<Account>().is_err());
    }
}
