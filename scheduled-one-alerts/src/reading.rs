//! Reads what is new in the ledgers. One that cannot be read keeps no other from being looked at.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::{BoxFuture, LedgerRecord, hash};

use crate::at_once::at_once;
use crate::cursor::Cursor;
use crate::facts::{Facts, Unreadable};
use crate::rule::{job_of, shard_of};
use crate::source::{Source, SourceError};
use crate::state::AlertState;

/// How many lines of a ledger are read at first. All are read if these do not reach back to what was read before.
const FIRST_LINES: usize = 50;

/// How many lines of a ledger are read at most.
const MAX_LINES: usize = 10_000;

/// How many ledgers are read at the same time.
const AT_ONCE: usize = 16;

/// After so many evaluations a job that nobody knows of is none any more.
const MAX_ABSENT: u32 = 6;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct NewLines {
    pub(crate) lines: Vec<LedgerRecord>,
    /// The jobs whose ledgers could not be read. Their cursors stay where they are.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Whether a cursor has moved.
    pub(crate) has_news: bool,
}

/// Reads the ledgers of all jobs. It is an error, with the job, if none of them can be read.
pub(crate) async fn new_lines(
    source: &dyn Source,
    state: &mut AlertState,
    facts: &Facts,
) -> Result<NewLines, (String, SourceError)> {
    let gone: BTreeSet<&str> = facts.gone.iter().map(String::as_str).collect();
    let is_gone =
        |line: &LedgerRecord| gone.contains(line.unit.job()) || gone.contains(line.unit.as_str());
    let mut read = NewLines::default();
    let (mut any, mut failed) = (false, None);
    let marks = marks(facts);
    let may_have_news = |job: &String| {
        let mark = marks.get(&**job).copied().flatten();
        let known = state.cursors.get(job).and_then(|cursor| cursor.mark);
        known.is_none() || known != mark
    };
    let mut jobs = jobs(facts, state);
    any |= jobs.iter().any(|job| !may_have_news(job));
    jobs.retain(may_have_news);
    for jobs in jobs.chunks(AT_ONCE) {
        let reading = jobs.iter().map(|job| {
            let lines = newest_lines(source, job, state.cursors.get(job));
            Box::pin(lines) as BoxFuture<'_, Result<Vec<LedgerRecord>, SourceError>>
        });
        let newest = at_once(reading.collect()).await;
        for (job, newest) in jobs.iter().zip(newest) {
            let newest = match newest {
                Ok(newest) => newest,
                Err(error) => {
                    read.unreadable.push(Unreadable {
                        what: job.clone(),
                        error: error.to_string(),
                    });
                    failed.get_or_insert((job.clone(), error));
                    continue;
                }
            };
            any = true;
            let cursor = state.cursors.entry(job.clone()).or_default();
            let new = cursor.take_new(newest);
            cursor.mark = marks.get(&**job).copied().flatten();
            read.has_news |= !new.is_empty();
            // What is written of a job that is gone concerns nobody, also when it returns.
            read.lines
                .extend(new.into_iter().filter(|line| !is_gone(line)));
        }
    }
    match failed {
        Some(error) if !any => Err(error),
        _ => Ok(read),
    }
}

/// A digest of all units of each job; none if that of one of them is not known.
fn marks(facts: &Facts) -> BTreeMap<&str, Option<u64>> {
    let mut marks: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for unit in &facts.units {
        let of_job = marks.entry(job_of(&unit.name)).or_insert(Some(0));
        let own = unit.mark.map(|mark| hash(&unit.name, mark));
        *of_job = of_job.zip(own).map(|(all, own)| all ^ own);
    }
    marks
}

/// Notes which jobs nobody knows of, and which shards no living node has, and adds those to the ones that are gone of
/// which that is so for long. Such a job has no cursor any more. Returns whether that changed anything.
pub(crate) fn note_absent(state: &mut AlertState, facts: &mut Facts) -> bool {
    let Some(known) = &facts.jobs else {
        return false;
    };
    let listed: BTreeSet<&str> = facts.units.iter().map(|unit| job_of(&unit.name)).collect();
    let is_known = |subject: &str| {
        let job = job_of(subject);
        let shards = known.get(job).copied().flatten();
        let is_job = known.contains_key(job) || listed.contains(job);
        is_job && shards.is_none_or(|shards| shard_of(subject) < shards.max(1))
    };
    let before = state.absent.len();
    state.absent.retain(|subject, _| !is_known(subject));
    let jobs = state.cursors.keys().map(String::as_str);
    let subjects = jobs.chain(state.engine.shards());
    let unknown = subjects.filter(|subject| !is_known(subject));
    let unknown: Vec<String> = unknown.map(str::to_owned).collect();
    let mut changed = state.absent.len() != before;
    for subject in unknown {
        changed = true;
        let evaluations = state.absent.entry(subject.clone()).or_default();
        *evaluations += 1;
        if *evaluations < MAX_ABSENT {
            continue;
        }
        state.absent.remove(&subject);
        match state.cursors.remove(&subject) {
            Some(_) => facts.gone.extend(state.engine.subjects_of(&subject)),
            None => facts.gone.push(subject),
        }
    }
    changed
}

/// The newest lines of a ledger, newest first, as far back as the cursor knows.
async fn newest_lines(
    source: &dyn Source,
    job: &str,
    cursor: Option<&Cursor>,
) -> Result<Vec<LedgerRecord>, SourceError> {
    let first = source.ledger(job, FIRST_LINES).await?;
    let reaches = first.len() < FIRST_LINES || cursor.is_some_and(|it| it.reaches(&first));
    match reaches {
        true => Ok(first),
        false => source.ledger(job, MAX_LINES).await,
    }
}

/// The jobs whose ledgers are read: those of the facts, and those that were read before.
fn jobs(facts: &Facts, state: &AlertState) -> Vec<String> {
    let units = facts.units.iter().map(|unit| &unit.name);
    let units = units.chain(&facts.gone);
    let units = units.map(|unit| job_of(unit).to_owned());
    let mut jobs: Vec<String> = units.chain(state.cursors.keys().cloned()).collect();
    jobs.sort();
    jobs.dedup();
    jobs
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::message::Missed;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use scheduled_one_protocol::{Outcome, TickMs, UnitName};

    use super::*;
    use crate::Alerts;
    use crate::facts::UnitFacts;
    use crate::rule::Rules;
    use crate::rule_kind::RuleKind;

    pub(super) fn missed(job: &str, at_ms: i64) -> LedgerRecord {
        let missed = Missed {
            first: TickMs(at_ms),
            last: TickMs(at_ms),
            count: 1,
            outcome: Outcome::Missed,
            reason: String::new(),
        };
        LedgerRecord::missed(&UnitName::new(job, 0), &missed, "n", at_ms)
    }

    /// Ledgers by job; one that is `None` cannot be read.
    #[derive(Default)]
    pub(super) struct Ledgers {
        pub(super) facts: Facts,
        pub(super) lines: BTreeMap<&'static str, Option<Vec<LedgerRecord>>>,
        reads: AtomicUsize,
    }

    impl Source for Ledgers {
        fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>> {
            Box::pin(async { Ok(self.facts.clone()) })
        }

        fn ledger<'a>(
            &'a self,
            job: &'a str,
            limit: usize,
        ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                match self.lines.get(job) {
                    Some(None) => Err("line 3 is no JSON".into()),
                    Some(Some(lines)) => Ok(lines.iter().rev().take(limit).cloned().collect()),
                    None => Ok(Vec::new()),
                }
            })
        }
    }

    fn known(jobs: &[&str]) -> BTreeMap<String, Option<u32>> {
        jobs.iter().map(|job| ((*job).to_owned(), None)).collect()
    }

    fn at(now_ms: i64) -> Facts {
        let unit = |name: &str| UnitFacts {
            name: name.to_owned(),
            ..UnitFacts::default()
        };
        Facts {
            at_ms: now_ms,
            units: vec![unit("bad"), unit("good")],
            ..Facts::default()
        }
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_be_read_silences_no_other_and_is_said_itself() {
        let alerts = Alerts::new(Rules::new("shop"));
        let mut state = AlertState::new(0);
        let mut ledgers = Ledgers::default();
        let mut evaluate = async |ledgers: &mut Ledgers, now_ms| {
            ledgers.facts = at(now_ms);
            let alerts = alerts.evaluate_once(ledgers, &mut state).await;
            let alerts = alerts.expect("others can be read").into_iter();
            let said = alerts.map(|alert| (alert.title(), alert.subjects[0].text.clone()));
            said.collect::<Vec<_>>()
        };
        ledgers.lines.insert("bad", Some(vec![missed("bad", 10)]));
        evaluate(&mut ledgers, 20).await;
        ledgers.lines.insert("bad", None);
        ledgers.lines.insert("good", Some(vec![missed("good", 30)]));
        let mut said = Vec::new();
        for now_s in 1..15 {
            said.extend(evaluate(&mut ledgers, now_s * 10_000).await);
        }
        let titles: Vec<&str> = said.iter().map(|(title, _)| &**title).collect();
        assert_eq!(titles.len(), 2, "{said:?}");
        assert!(titles[0].contains("2 jobs: missed"), "{said:?}");
        assert!(
            titles[1].starts_with("[firing] bad: cannot be read"),
            "{said:?}"
        );
        assert_eq!(said[1].1, "line 3 is no JSON");
        // It goes on where it was: what was written meanwhile is news, and what was read before is not.
        let more = vec![missed("bad", 10), missed("bad", 150_000)];
        ledgers.lines.insert("bad", Some(more));
        let said = evaluate(&mut ledgers, 160_000).await;
        assert!(
            said[0].0.starts_with("[resolved] bad: cannot be read"),
            "{said:?}"
        );
        let count = |state: &AlertState| {
            let mut firing = state.engine.firing_texts();
            firing
                .find(|(rule, subject, ..)| *rule == RuleKind::Missed && *subject == "bad")
                .is_some()
        };
        assert!(count(&state));
    }

    #[tokio::test]
    async fn only_ledgers_that_may_have_news_are_read() {
        let alerts = Alerts::new(Rules::new("shop"));
        let mut state = AlertState::new(0);
        let mut ledgers = Ledgers::default();
        let mut reads = async |ledgers: &mut Ledgers, now_ms, marks: [Option<u64>; 2]| {
            ledgers.facts = at(now_ms);
            for (unit, mark) in ledgers.facts.units.iter_mut().zip(marks) {
                unit.mark = mark;
            }
            ledgers.reads.store(0, Ordering::SeqCst);
            let said = alerts.evaluate_once(ledgers, &mut state).await;
            (
                ledgers.reads.load(Ordering::SeqCst),
                said.expect("read").len(),
            )
        };
        ledgers.lines.insert("good", Some(vec![missed("good", 5)]));
        assert_eq!(reads(&mut ledgers, 10, [Some(1), Some(2)]).await, (2, 0));
        assert_eq!(reads(&mut ledgers, 20, [Some(1), Some(2)]).await, (0, 0));
        let more = vec![missed("good", 5), missed("good", 25)];
        ledgers.lines.insert("good", Some(more));
        assert_eq!(reads(&mut ledgers, 30, [Some(1), Some(3)]).await, (1, 0));
        assert_eq!(
            reads(&mut ledgers, 60_000, [Some(1), Some(3)]).await,
            (0, 1)
        );
        // Of a job of which nothing is known, the ledger is read each time.
        assert_eq!(reads(&mut ledgers, 70_000, [Some(1), None]).await, (1, 0));
        assert_eq!(reads(&mut ledgers, 80_000, [Some(1), None]).await, (1, 0));
    }

    #[tokio::test]
    async fn a_job_that_nobody_knows_of_is_over_after_a_minute_and_not_when_a_list_cannot_be_read()
    {
        let alerts = Alerts::new(Rules::new("shop"));
        let mut state = AlertState::new(0);
        let mut ledgers = Ledgers::default();
        ledgers.lines.insert("bad", Some(vec![missed("bad", 10)]));
        let mut said = Vec::new();
        for turn in 1..30 {
            let mut facts = at(turn * 60_000);
            facts.jobs = Some(known(&["bad", "good"]));
            // It is in no list from the fifth turn on, and ten times the lists cannot be read.
            if turn >= 5 {
                facts.units.remove(0);
                facts.jobs = (turn >= 15).then(|| known(&["good"]));
            }
            ledgers.facts = facts;
            let new = alerts.evaluate_once(&ledgers, &mut state).await;
            said.extend(new.expect("read").iter().map(|it| (turn, it.title())));
        }
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[1].0, 20, "{said:?}");
        assert!(said[1].1.starts_with("[resolved] bad: missed"), "{said:?}");
        assert!(!state.cursors.contains_key("bad") && state.absent.is_empty());
    }

    #[tokio::test]
    async fn it_is_an_error_if_nothing_can_be_read() {
        let alerts = Alerts::new(Rules::new("shop"));
        let mut state = AlertState::new(0);
        let mut ledgers = Ledgers {
            facts: at(10),
            ..Ledgers::default()
        };
        ledgers.lines.insert("bad", None);
        ledgers.lines.insert("good", None);
        let error = alerts.evaluate_once(&ledgers, &mut state).await;
        let error = error.expect_err("nothing is known").to_string();
        assert_eq!(
            error,
            "alerts: cannot read the ledger of `bad`: line 3 is no JSON"
        );
    }
}
