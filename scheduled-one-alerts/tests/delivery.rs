//! From a ledger to a receiver: at least once, with one id, on whichever node.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod server;

use std::sync::Mutex;

use scheduled_one_alerts::{
    AlertState, Alerts, DeliveryResult, Facts, Keeper, Rules, RunError, Slack, Source, SourceError,
    UnitFacts, Webhook,
};
use scheduled_one_protocol::{BoxFuture, LedgerRecord, Outcome, TickMs, UnitName};

use server::{Answer, Server, ok};

const NOW_MS: i64 = 1_767_225_600_000;

/// A ledger, and a clock.
#[derive(Default)]
struct Jobs {
    now_ms: Mutex<i64>,
    /// Oldest first.
    lines: Mutex<Vec<LedgerRecord>>,
    limits: Mutex<Vec<usize>>,
    is_gone: Mutex<bool>,
}

impl Jobs {
    fn at(&self, now_ms: i64) {
        *self.now_ms.lock().unwrap() = now_ms;
    }

    fn ended(&self, at_ms: i64, outcome: Outcome) {
        self.lines.lock().unwrap().push(LedgerRecord {
            unit: UnitName::new("nightly", 0),
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
            error: "disk full".to_owned(),
        });
    }
}

impl Source for Jobs {
    fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>> {
        let mut facts = Facts {
            at_ms: *self.now_ms.lock().unwrap(),
            ..Facts::default()
        };
        match *self.is_gone.lock().unwrap() {
            true => facts.gone.push("nightly".to_owned()),
            false => facts.units.push(UnitFacts {
                name: "nightly".to_owned(),
                ..UnitFacts::default()
            }),
        }
        Box::pin(async { Ok(facts) })
    }

    fn ledger<'a>(
        &'a self,
        job: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>> {
        assert_eq!(job, "nightly");
        self.limits.lock().unwrap().push(limit);
        let lines = self.lines.lock().unwrap();
        let newest = lines.iter().rev().take(limit).cloned().collect();
        Box::pin(async { Ok(newest) })
    }
}

/// A place for the state that compares revisions, and may fail.
#[derive(Default)]
struct Place {
    json: Mutex<Option<String>>,
    /// How many saves succeed before one fails.
    fails_after: Mutex<Option<u32>>,
    saves: Mutex<u32>,
}

impl Keeper for Place {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, SourceError>> {
        let json = self.json.lock().unwrap().clone();
        Box::pin(async { Ok(json) })
    }

    fn save<'a>(&'a self, json: &'a str, before: u64) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let mut fails = self.fails_after.lock().unwrap();
            match fails.as_mut() {
                Some(0) => {
                    *fails = None;
                    return Err("the store is away".into());
                }
                Some(left) => *left -= 1,
                None => {}
            }
            let mut kept = self.json.lock().unwrap();
            let kept_revision = match kept.as_deref() {
                Some(json) => AlertState::from_json(json)?.revision(),
                None => 0,
            };
            if kept_revision != before {
                return Err("another node has gone on".into());
            }
            *kept = Some(json.to_owned());
            *self.saves.lock().unwrap() += 1;
            Ok(())
        })
    }
}

fn alerts(server: &Server) -> Alerts {
    Alerts::new(Rules::new("shop")).notify(Webhook::new(server.url("/")))
}

async fn turn(alerts: &Alerts, jobs: &Jobs, place: &Place, now_ms: i64) -> Vec<DeliveryResult> {
    jobs.at(now_ms);
    let report = alerts.run_once(jobs, place).await.unwrap();
    report.deliveries.into_iter().map(|it| it.result).collect()
}

fn ids(server: &Server) -> Vec<String> {
    let received = server.received();
    let ids = received
        .iter()
        .map(|it| it.header("webhook-id").unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn a_message_that_fails_is_sent_again_with_the_same_id_and_body_by_another_node() {
    let server = Server::start([Answer::Reply(503, "busy".to_owned()), ok()]).await;
    let (jobs, place) = (Jobs::default(), Place::default());
    turn(&alerts(&server), &jobs, &place, NOW_MS).await;
    jobs.ended(NOW_MS + 1, Outcome::Failed);
    let results = turn(&alerts(&server), &jobs, &place, NOW_MS + 60_000).await;
    let [DeliveryResult::Again { in_ms, why }] = &*results else {
        panic!("{results:?}");
    };
    assert!(why.contains("(busy) replied 503"), "{why}");
    assert!(
        turn(&alerts(&server), &jobs, &place, NOW_MS + 61_000)
            .await
            .is_empty()
    );
    // Another node, with what was kept.
    let later = turn(&alerts(&server), &jobs, &place, NOW_MS + 60_000 + in_ms).await;
    assert_eq!(later, [DeliveryResult::Delivered]);
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(ids(&server)[0], ids(&server)[1]);
    let stamps: Vec<_> = received
        .iter()
        .map(|it| it.header("webhook-timestamp"))
        .collect();
    assert_ne!(stamps[0], stamps[1]);
    assert!(
        turn(&alerts(&server), &jobs, &place, NOW_MS + 3_600_000)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_turn_that_is_lost_between_sending_and_keeping_sends_again_with_the_same_id() {
    let server = Server::start([ok()]).await;
    let (jobs, place) = (Jobs::default(), Place::default());
    turn(&alerts(&server), &jobs, &place, NOW_MS).await;
    jobs.ended(NOW_MS + 1, Outcome::Failed);
    jobs.at(NOW_MS + 60_000);
    *place.fails_after.lock().unwrap() = Some(1);
    let error = alerts(&server).run_once(&jobs, &place).await.unwrap_err();
    assert!(
        matches!(error, RunError::Keeper { what: "save", .. }),
        "{error}"
    );
    let results = turn(&alerts(&server), &jobs, &place, NOW_MS + 70_000).await;
    assert_eq!(results, [DeliveryResult::Delivered]);
    let ids = ids(&server);
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_kept() {
    let server = Server::start([ok()]).await;
    let (jobs, place) = (Jobs::default(), Place::default());
    turn(&alerts(&server), &jobs, &place, NOW_MS).await;
    jobs.ended(NOW_MS + 1, Outcome::Failed);
    jobs.at(NOW_MS + 60_000);
    *place.fails_after.lock().unwrap() = Some(0);
    alerts(&server).run_once(&jobs, &place).await.unwrap_err();
    assert!(server.received().is_empty());
    turn(&alerts(&server), &jobs, &place, NOW_MS + 61_000).await;
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_turn_without_news_keeps_nothing() {
    let server = Server::start([ok()]).await;
    let (jobs, place) = (Jobs::default(), Place::default());
    let mut saves = Vec::new();
    for turns in 0..4 {
        if turns == 2 {
            jobs.ended(NOW_MS + 15_000, Outcome::Ok);
        }
        turn(&alerts(&server), &jobs, &place, NOW_MS + turns * 10_000).await;
        saves.push(*place.saves.lock().unwrap());
    }
    assert_eq!(saves, [1, 1, 2, 2]);
}

#[tokio::test]
async fn two_nodes_at_once_are_noticed() {
    let server = Server::start([ok()]).await;
    let (jobs, place) = (Jobs::default(), Place::default());
    turn(&alerts(&server), &jobs, &place, NOW_MS).await;
    let json = place.json.lock().unwrap().clone().unwrap();
    let mut old = AlertState::from_json(&json).unwrap();
    jobs.ended(NOW_MS, Outcome::Ok);
    turn(&alerts(&server), &jobs, &place, NOW_MS + 10_000).await;
    jobs.ended(NOW_MS + 1, Outcome::Ok);
    let before = old.revision();
    alerts(&server)
        .evaluate_once(&jobs, &mut old)
        .await
        .unwrap();
    place.save(&old.to_json(), before).await.unwrap_err();
}

#[tokio::test]
async fn a_channel_that_is_gone_is_said_over_the_others() {
    let gone = Server::start([Answer::Reply(410, String::new())]).await;
    let other = Server::start([ok()]).await;
    let both = || alerts(&gone).notify(Slack::new(other.url("/")));
    let (jobs, place) = (Jobs::default(), Place::default());
    turn(&both(), &jobs, &place, NOW_MS).await;
    jobs.ended(NOW_MS + 1, Outcome::Failed);
    let results = turn(&both(), &jobs, &place, NOW_MS + 60_000).await;
    assert!(
        results
            .iter()
            .any(|it| matches!(it, DeliveryResult::Disabled { .. })),
        "{results:?}"
    );
    turn(&both(), &jobs, &place, NOW_MS + 70_000).await;
    turn(&both(), &jobs, &place, NOW_MS + 120_000).await;
    let texts: Vec<String> = other
        .received()
        .iter()
        .map(|it| it.json()["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        texts,
        [
            "[firing] nightly: failed",
            "[firing] webhook: takes no alerts"
        ]
    );
    assert_eq!(gone.received().len(), 1, "nothing more goes there");
    // With another address the channel is used again.
    let moved = Server::start([ok()]).await;
    let both = || alerts(&moved).notify(Slack::new(other.url("/")));
    turn(&both(), &jobs, &place, NOW_MS + 130_000).await;
    turn(&both(), &jobs, &place, NOW_MS + 140_000).await;
    jobs.ended(NOW_MS + 150_000, Outcome::Ok);
    turn(&both(), &jobs, &place, NOW_MS + 200_000).await;
    let received = moved.received();
    let titles = received.iter().map(|it| it.json()["data"]["title"].clone());
    let expected = [
        "[resolved] webhook: takes no alerts, lasted 1 min 20 s",
        "[resolved] nightly: failed, lasted 2 min 29 s",
    ];
    assert_eq!(titles.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_channel_that_hangs_does_not_hold_up_the_others() {
    let http = scheduled_one_alerts::Http::new().timeout(std::time::Duration::from_millis(300));
    let hangs = Server::start([Answer::Hang]).await;
    let other = Server::start([ok()]).await;
    let alerts = Alerts::new(Rules::new("shop"))
        .notify(Slack::new(hangs.url("/")).http(http).named("hangs"))
        .notify(Slack::new(other.url("/")));
    let (jobs, place) = (Jobs::default(), Place::default());
    turn(&alerts, &jobs, &place, NOW_MS).await;
    jobs.ended(NOW_MS + 1, Outcome::Failed);
    let results = turn(&alerts, &jobs, &place, NOW_MS + 60_000).await;
    assert_eq!(results.len(), 2);
    assert_eq!(other.received().len(), 1);
}

#[tokio::test]
async fn a_ledger_is_read_as_far_as_is_needed() {
    let server = Server::start([ok()]).await;
    let (jobs, place) = (Jobs::default(), Place::default());
    for n in 0..200 {
        jobs.ended(NOW_MS + n, Outcome::Ok);
    }
    turn(&alerts(&server), &jobs, &place, NOW_MS + 1_000).await;
    jobs.ended(NOW_MS + 2_000, Outcome::Ok);
    turn(&alerts(&server), &jobs, &place, NOW_MS + 3_000).await;
    for n in 0..90 {
        jobs.ended(NOW_MS + 4_000 + n, Outcome::Failed);
    }
    turn(&alerts(&server), &jobs, &place, NOW_MS + 60_000).await;
    assert_eq!(*jobs.limits.lock().unwrap(), [50, 10_000, 50, 50, 10_000]);
    let body = server.only().json();
    assert_eq!(body["data"]["subjects"][0]["count"], 90);
}

#[tokio::test]
async fn a_job_that_is_gone_fires_nothing_and_costs_no_save_and_returns_without_its_past() {
    let server = Server::start([ok(), ok(), ok()]).await;
    let (alerts, jobs, place) = (alerts(&server), Jobs::default(), Place::default());
    let saves = || *place.saves.lock().unwrap();
    turn(&alerts, &jobs, &place, NOW_MS).await;
    *jobs.is_gone.lock().unwrap() = true;
    jobs.ended(NOW_MS + 1_000, Outcome::Missed);
    turn(&alerts, &jobs, &place, NOW_MS + 60_000).await;
    let before = saves();
    for minute in 2..5 {
        turn(&alerts, &jobs, &place, NOW_MS + minute * 60_000).await;
    }
    assert_eq!(saves(), before, "nothing is new");
    *jobs.is_gone.lock().unwrap() = false;
    turn(&alerts, &jobs, &place, NOW_MS + 360_000).await;
    turn(&alerts, &jobs, &place, NOW_MS + 420_000).await;
    assert_eq!(
        server.received().len(),
        0,
        "what was written meanwhile is past"
    );
    jobs.ended(NOW_MS + 430_000, Outcome::Failed);
    turn(&alerts, &jobs, &place, NOW_MS + 480_000).await;
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_test_message_is_one_attempt() {
    let server = Server::start([ok(), Answer::Reply(500, "no".to_owned())]).await;
    let alerts = alerts(&server).notify(Webhook::new(server.url("/2")));
    assert_eq!(alerts.channels(), ["webhook", "webhook-2"]);
    alerts.test("webhook-2", NOW_MS).await.unwrap();
    assert_eq!(server.only().line, "POST /2");
    alerts.test("webhook", NOW_MS).await.unwrap_err();
    let error = alerts.test("slak", NOW_MS).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no channel `slak`; there are: webhook, webhook-2"
    );
}
