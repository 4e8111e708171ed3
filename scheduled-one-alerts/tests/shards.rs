//! Shards: a release may remove some of them, and a node that has not the job knows of the first one alone.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_alerts::{
    AlertState, Alerts, Facts, JobRules, Rules, Source, SourceError, UnitFacts,
};
use scheduled_one_protocol::{BoxFuture, LedgerRecord, Outcome, TickMs, UnitName};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The job with so many shards, as a node sees it, and its ledger.
struct World {
    facts: Facts,
    lines: Vec<LedgerRecord>,
    alerts: Alerts,
    state: AlertState,
}

impl Source for World {
    fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>> {
        Box::pin(async { Ok(self.facts.clone()) })
    }

    fn ledger<'a>(
        &'a self,
        _job: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>> {
        let newest = self.lines.iter().rev().take(limit).cloned();
        let newest: Vec<LedgerRecord> = newest.collect();
        Box::pin(async { Ok(newest) })
    }
}

fn unit(shard: u32) -> UnitFacts {
    UnitFacts {
        name: UnitName::new("j", shard).as_str().to_owned(),
        first_seen_ms: Some(0),
        ..UnitFacts::default()
    }
}

impl World {
    fn new(rules: JobRules) -> Self {
        World {
            facts: Facts::default(),
            lines: Vec::new(),
            alerts: Alerts::new(Rules::new("shop").all_jobs(rules)),
            state: AlertState::new(0),
        }
    }

    /// What the evaluating node lists, and how many shards living nodes have.
    fn sees(&mut self, listed: u32, shards: u32) {
        self.facts.units = (0..listed).map(unit).collect();
        self.facts.jobs = Some(BTreeMap::from([("j".to_owned(), Some(shards))]));
    }

    fn ran(&mut self, shard: u32, at_ms: i64, outcome: Outcome) {
        self.lines.push(LedgerRecord {
            unit: UnitName::new("j", shard),
            tick: TickMs(at_ms),
            last_tick: TickMs(at_ms),
            count: 1,
            outcome,
            retried: false,
            reason: String::new(),
            node: "node-a".to_owned(),
            identity: None,
            cause: None,
            actor: String::new(),
            request: String::new(),
            token: None,
            attempt: Some(1),
            fired_at_ms: Some(at_ms),
            ended_at_ms: at_ms,
            error: String::new(),
        });
    }

    /// What is said minute by minute up to an instant.
    async fn until(&mut self, to_ms: i64) -> Vec<String> {
        let mut said = Vec::new();
        while self.facts.at_ms < to_ms {
            self.facts.at_ms += MINUTE;
            let mut state = self.state.clone();
            let alerts = self.alerts.evaluate_once(self, &mut state).await.unwrap();
            said.extend(alerts.iter().map(|alert| alert.title()));
            self.state = state;
        }
        said
    }

    fn firing(&self) -> Vec<String> {
        let firing = self.state.firing();
        firing
            .map(|(rule, name, _)| format!("{rule} {name}"))
            .collect()
    }
}

#[tokio::test]
async fn alerts_of_shards_that_a_release_removed_are_over_and_none_begins_anew() {
    let rules = JobRules::new().no_success(Duration::from_secs(26 * 3_600));
    let mut world = World::new(rules);
    world.sees(8, 8);
    for shard in 0..8 {
        world.ran(shard, MINUTE, Outcome::Ok);
    }
    world.ran(5, 2 * MINUTE, Outcome::Failed);
    let said = world.until(5 * MINUTE).await;
    assert_eq!(said, ["[firing] j#5: failed"]);
    // One node of the old release lives on: its shards are still there.
    world.sees(4, 8);
    assert_eq!(world.until(20 * MINUTE).await, Vec::<String>::new());
    assert_eq!(world.firing(), ["failed j#5"]);
    world.sees(4, 4);
    let said = world.until(30 * MINUTE).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("[resolved] j#5: failed"), "{said:?}");
    let mut said = Vec::new();
    for day in 1..4 {
        said.extend(world.until(day * 24 * HOUR).await);
        for shard in 0..4 {
            world.ran(shard, day * 24 * HOUR, Outcome::Ok);
        }
    }
    assert_eq!(said, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_removed_shard_still_writes_hides_no_line_of_the_others() {
    let mut world = World::new(JobRules::new());
    world.sees(8, 8);
    world.until(5 * MINUTE).await;
    world.sees(4, 4);
    // The sixth evaluation that does not find the shard forgets it.
    world.until(10 * MINUTE).await;
    world.ran(7, 11 * MINUTE, Outcome::Failed);
    world.ran(1, 11 * MINUTE, Outcome::Failed);
    let said = world.until(13 * MINUTE).await;
    assert_eq!(said, ["[firing] j#1: failed"]);
}

#[tokio::test]
async fn a_pause_is_known_of_all_shards_where_one_is_listed() {
    let hour = Duration::from_secs(3_600);
    let mut world = World::new(JobRules::new().no_success(hour).paused_longer(2 * hour));
    world.sees(3, 3);
    for shard in 0..3 {
        world.ran(shard, MINUTE, Outcome::Ok);
    }
    world.until(10 * MINUTE).await;
    // Another node evaluates, which has not the job.
    world.sees(1, 3);
    world.facts.units[0].paused_since_ms = Some(10 * MINUTE);
    let said = world.until(2 * HOUR).await;
    assert_eq!(said, Vec::<String>::new());
    let said = world.until(3 * HOUR).await;
    assert_eq!(said, ["[firing] 3 jobs: paused for long"]);
    world.facts.units[0].paused_since_ms = None;
    let said = world.until(3 * HOUR + 10 * MINUTE).await;
    let over = "[resolved] 3 jobs: paused for long, lasted 2 h 51 min";
    assert_eq!(said, [over]);
    let said = world.until(5 * HOUR).await;
    assert_eq!(said, ["[firing] 3 jobs: no success for too long"]);
}
