//! Reads what is new in the ledgers. One that cannot be read keeps no other from being looked at.

use std::collections::BTreeSet;

use scheduled_one_protocol::LedgerRecord;

use crate::cursor::Cursor;
use crate::facts::{Facts, Unreadable};
use crate::rule::job_of;
use crate::source::{Source, SourceError};
use crate::state::AlertState;

/// How many lines of a ledger are read at first. All are read if these do not reach back to what was read before.
const FIRST_LINES: usize = 50;

/// How many lines of a ledger are read at most.
const MAX_LINES: usize = 10_000;

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
    let gone: BTreeSet<&str> = facts.gone.iter().map(|unit| job_of(unit)).collect();
    let mut read = NewLines::default();
    let (mut any, mut failed) = (false, None);
    for job in jobs(facts, state) {
        let newest = match newest_lines(source, &job, state.cursors.get(&job)).await {
            Ok(newest) => newest,
            Err(error) => {
                read.unreadable.push(Unreadable {
                    what: job.clone(),
                    error: error.to_string(),
                });
                failed.get_or_insert((job, error));
                continue;
            }
        };
        any = true;
        let cursor = state.cursors.entry(job.clone()).or_default();
        let new = cursor.take_new(newest);
        read.has_news |= !new.is_empty();
        // What is written of a job that is gone concerns nobody, also when it returns.
        if !gone.contains(&*job) {
            read.lines.extend(new);
        }
    }
    match failed {
        Some(error) if !any => Err(error),
        _ => Ok(read),
    }
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
    use std::collections::BTreeMap;

    use scheduled_one_protocol::message::Missed;
    use scheduled_one_protocol::{BoxFuture, Outcome, TickMs, UnitName};

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
            Box::pin(async move {
                match self.lines.get(job) {
                    Some(None) => Err("line 3 is no JSON".into()),
                    Some(Some(lines)) => Ok(lines.iter().rev().take(limit).cloned().collect()),
                    None => Ok(Vec::new()),
                }
            })
        }
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
        assert!(titles[0].contains("2 jobs missed"), "{said:?}");
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
