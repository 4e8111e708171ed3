//! E1: every tick in exactly one outcome, and in the right one.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::runs::{Run, Unit};
use super::{History, Violation, WindowKind};
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
}

/// As `scheduled_one_runtime::Fate`, as far as a rule is about it.
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
    /// It did not run: skipped or missed.
    NotRun,
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
            "Decided(Skipped)" | "Decided(Missed)" => Fate::NotRun,
            "Running" | "Waiting" | "Due" => Fate::Open,
            "Unknown" | "NoLongerKept" => Fate::Unknown,
            _ => return None,
        },
    })
}

/// Each tick is decided and known (unless the store may have forgotten it), and
/// what its function saw of itself agrees with what the ledger says.
pub(super) fn violations(
    history: &History<'_>,
    units: &BTreeMap<Unit, Vec<Run<'_>>>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    let forgets = history
        .of_kind(WindowKind::Forgets)
        .chain(history.of_kind(WindowKind::TwoStores));
    let forgotten = forgets.count() > 0;
    let mut windows = history.windows.iter();
    let only_bumps = windows.all(|it| it.kind == WindowKind::Bumpy);
    for account in history.accounts {
        let unit = Unit {
            job: account.job.clone(),
            shard: account.shard,
            node: None,
        };
        let runs = units.get(&unit).map_or(&[][..], Vec::as_slice);
        let runs: Vec<&Run<'_>> = runs
            .iter()
            .filter(|run| run.start.tick_ms == account.tick_ms)
            .collect();
        let lost_for_nothing = account.fate == Fate::Lost && runs.is_empty() && only_bumps;
        let what = match lost_for_nothing {
            true => Some("lost without a start, and nobody died"),
            false => disagrees(account, &runs, forgotten),
        };
        if let Some(what) = what {
            found.push(violation(history, account, &runs, what));
        }
    }
    found
}

fn disagrees(account: &Account, runs: &[&Run<'_>], forgotten: bool) -> Option<&'static str> {
    let ended = |how| runs.iter().any(|run| run.ended(how));
    if account.outcomes > 1 && !forgotten {
        return Some("more than one outcome");
    }
    match account.fate {
        Fate::Open => Some("not decided"),
        Fate::Unknown if !forgotten => Some("decided, and nobody knows what became of it"),
        Fate::Ok if !ended(Kind::End) => Some("ok, but no function ended well"),
        Fate::Failed if !ended(Kind::Fail) => Some("failed, but no function did"),
        Fate::Stopped if runs.is_empty() && !forgotten => Some("stopped, but never started"),
        Fate::NotRun if !runs.is_empty() && !forgotten => Some("it ran, and is said not to have"),
        _ => None,
    }
}

fn violation(history: &History<'_>, account: &Account, runs: &[&Run<'_>], what: &str) -> Violation {
    // Of a tick that never ran, what was seen at the time it was due.
    let mut later = history.events.iter();
    let later = later.find(|event| event.tick_ms >= account.tick_ms);
    let at_us = runs.first().map(|run| run.start.boot_us);

    let mut text = format!("{what}: {account:?}");
    for run in runs {
        text += &format!("\n  {} … last seen {}", run.start, run.last_us());
    }
    Violation {
        rule: "E1",
        text,
        job: account.job.clone(),
        at_us: at_us.or(later.map(|event| event.boot_us)).unwrap_or(0),
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
        }
    }

    #[test]
    fn accounts_agree_with_what_was_seen() {
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
            (&ran, Fate::NotRun, &["E1"]),
            (&ran, Fate::Open, &["E1"]),
            (&ran, Fate::Unknown, &["E1"]),
            (started, Fate::Ok, &["E1"]),
            (started, Fate::Stopped, &[]),
            (started, Fate::Lost, &[]),
            (&[], Fate::NotRun, &[]),
            (&[], Fate::Ok, &["E1"]),
            (&[], Fate::Stopped, &["E1"]),
        ] {
            let found = broken(events, &[], &[account(fate)]);
            assert_eq!(found, rules, "{fate:?} of {events:?}");
        }
    }

    #[test]
    fn a_tick_has_one_outcome() {
        let twice = Account {
            outcomes: 2,
            ..account(Fate::Lost)
        };
        assert_eq!(broken(&[], &[], std::slice::from_ref(&twice)), ["E1"]);
    }

    #[test]
    fn nothing_is_lost_while_all_live_and_are_served() {
        let bumpy = [window(WindowKind::Bumpy, "a", 5, 6)];
        assert_eq!(broken(&[], &bumpy, &[account(Fate::Lost)]), ["E1"]);
        let killed = [window(WindowKind::Killed, "a", 5, 6)];
        assert!(broken(&[], &killed, &[account(Fate::Lost)]).is_empty());
    }

    #[test]
    fn a_store_that_forgets_may_not_know_but_must_decide() {
        let forgets = [window(WindowKind::Forgets, "a", 5, 6)];
        assert!(broken(&[], &forgets, &[account(Fate::Unknown)]).is_empty());
        assert_eq!(broken(&[], &forgets, &[account(Fate::Open)]), ["E1"]);
    }

    #[test]
    fn lines_are_read() {
        let line = "long 2 1700000000000 1 Decided(TimedOut)";
        let account: Account = line.parse().expect("an account");
        assert_eq!((account.shard, account.fate), (2, Fate::Stopped));
        assert!("long 2 1700 1 Decided(New)".parse::<Account>().is_err());
    }
}
