//! Users of Redis with fewer rights than a scheduler: what a viewer and an operator can do, and that they can do no
//! more.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::time::{Duration, SystemTime};

use deadpool_redis::redis::{Client, cmd};
use scheduled_one_control::{BackfillOnly, CancelledRun, Control, Error, ErrorKind};
use scheduled_one_redis::RedisStore;
use scheduled_one_runtime::{Job, JobContext, Outcome, Scheduler};
use test_support::RedisServer;

const BOUND: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// A server with a scheduler of full rights; `None` if it is older than the rights to read alone.
async fn service() -> Option<(RedisServer, Scheduler)> {
    let redis = RedisServer::start().unwrap();
    let is_old = redis
        .command(&["ACL", "SETUSER", "ann", "%R~a"])
        .map_or(true, |reply| reply.starts_with("ERR"));
    if is_old {
        return None;
    }
    let job = Job::cron("report", "0 0 0 1 1 *", |_: JobContext| async {});
    let builder = Scheduler::builder(redis.url()).namespace("test").job(job);
    let scheduler = Box::pin(builder.only(["report"]).start()).await.unwrap();
    let control = scheduler.control().unwrap();
    // Until the job is in the catalog, and its node is known.
    while control.next("report", 1).await.is_err() || control.jobs().await.unwrap()[0].nodes == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some((redis, scheduler))
}

fn set_user(redis: &RedisServer, name: &str, rule: &str) {
    let mut command = vec!["ACL", "SETUSER", name, "reset", "on", ">secret"];
    command.extend(rule.split(' '));
    redis.command(&command).unwrap();
}

fn url(redis: &RedisServer, name: &str) -> String {
    format!("redis://{name}:secret@127.0.0.1:{}", redis.port())
}

async fn connect(redis: &RedisServer, name: &str) -> Result<Control, Error> {
    Control::connect(url(redis, name)).namespace("test").await
}

#[test]
fn the_rules_are_documented() {
    let documented = include_str!("../../scheduled-one-redis/docs/redis.md");
    for rule in [
        RedisStore::acl_rule_for_viewer("default"),
        RedisStore::acl_rule_for_operator("default"),
    ] {
        assert!(documented.contains(&rule), "redis.md lacks {rule}");
    }
}

/// Looks at everything.
async fn look(control: &Control) -> Result<(), Error> {
    let now = SystemTime::now();
    assert_eq!(control.jobs().await?[0].nodes, 1);
    assert_eq!(control.describe("report").await?.job, "report");
    control.history("report", 9).await?;
    assert_eq!(control.next("report", 2).await?.len(), 2);
    control.audit("report", now - YEAR..now).await?;
    control.active_runs("report").await?;
    control.backfill_state("report").await?;
    let plan = control
        .backfill("report", now - YEAR..now)
        .only(BackfillOnly::Never);
    assert_eq!(plan.dry_run().await?.ticks.len(), 1);
    control.trail().await?;
    assert_eq!(control.living_nodes().await?.len(), 1);
    Ok(())
}

/// Whether a command of this user is denied.
async fn is_denied(redis: &RedisServer, name: &str, command: &[&str]) -> bool {
    let client = Client::open(url(redis, name)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut sent = cmd(command[0]);
    sent.arg(&command[1..]);
    let reply: Result<deadpool_redis::redis::Value, _> = sent.query_async(&mut connection).await;
    reply.is_err_and(|error| error.to_string().contains("NOPERM") || error.code() == Some("NOPERM"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_looks_and_changes_nothing_and_needs_each_of_its_rights() {
    let Some((redis, _scheduler)) = service().await else {
        return;
    };
    let rule = RedisStore::acl_rule_for_viewer("test");
    set_user(&redis, "vera", &rule);
    let before = redis.command(&["HGETALL", "so:{test}:meta"]).unwrap();
    let control = connect(&redis, "vera").await.unwrap();
    look(&control).await.unwrap();
    let refused = [
        control.pause("report").await.map(drop),
        control.pause_all().await.map(drop),
        control.run("report").await.map(drop),
        control.cancel("report", 7).await.map(drop),
        control.stop_backfill("report", "vera", "").await.map(drop),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        match refused {
            // There is no backfill to stop.
            Ok(()) => assert_eq!(at, 4),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Refused, "{at}: {error}"),
        }
    }
    let now = SystemTime::now();
    let backfill = control
        .backfill("report", now - YEAR..now)
        .only(BackfillOnly::Never);
    assert_eq!(backfill.await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(
        redis.command(&["HGETALL", "so:{test}:meta"]).unwrap(),
        before
    );
    assert!(is_denied(&redis, "vera", &["HSET", "so:{test}:meta", "ver", "9"]).await);
    assert!(
        is_denied(
            &redis,
            "vera",
            &[
                "EVAL",
                "return redis.call('DEL', KEYS[1])",
                "1",
                "so:{test}:ctl"
            ]
        )
        .await
    );

    for right in rule.split(' ').filter(|word| word.starts_with('+')) {
        let words: Vec<&str> = rule.split(' ').filter(|word| *word != right).collect();
        set_user(&redis, "vera", &words.join(" "));
        // Scripts that the server has are called by their digests.
        redis.command(&["SCRIPT", "FLUSH"]).unwrap();
        let looked = match connect(&redis, "vera").await {
            Ok(control) => look(&control).await,
            Err(error) => Err(error),
        };
        assert!(looked.is_err(), "{right} is not needed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_changes_what_is_wanted_and_writes_no_history() {
    let Some((redis, scheduler)) = service().await else {
        return;
    };
    set_user(&redis, "otto", &RedisStore::acl_rule_for_operator("test"));
    redis.command(&["ACL", "LOG", "RESET"]).unwrap();
    let control = connect(&redis, "otto").await.unwrap();
    redis.command(&["ACL", "LOG", "RESET"]).unwrap(); // of rights that only a scheduler needs
    look(&control).await.unwrap();
    control.pause("report").by("otto").await.unwrap();
    control.resume("report").by("otto").await.unwrap();
    let run = control.run("report").by("otto").await.unwrap();
    assert_eq!(run.finished(BOUND).await.unwrap()[0].outcome, Outcome::Ok);
    let gone = control.cancel("report", 7).await.unwrap();
    assert!(matches!(gone, CancelledRun::Gone { .. }), "{gone:?}");
    let now = SystemTime::now();
    let backfill = control
        .backfill("report", now - YEAR..now)
        .only(BackfillOnly::Never);
    assert_eq!(backfill.by("otto").await.unwrap().ticks.len(), 1);
    while !control
        .backfill_state("report")
        .await
        .unwrap()
        .unwrap()
        .is_over()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let trail = control.trail().actor("otto").await.unwrap().entries;
    let actions: Vec<&str> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["pause", "resume", "run", "backfill"]);
    assert_eq!(
        redis.command(&["ACL", "LOG"]).unwrap(),
        "",
        "something was refused"
    );

    let log = "so:{test}:log:report";
    for command in [
        &["XADD", log, "*", "out", "ok"][..],
        &["DEL", log],
        &["DEL", "so:{test}:ctl"],
        &["FLUSHALL"],
    ] {
        assert!(is_denied(&redis, "otto", command).await, "{command:?}");
    }
    assert_eq!(scheduler.ledger("report", 9).await.unwrap().len(), 2);
    // A scheduler does not start with these rights.
    let job = Job::cron("report", "0 0 0 1 1 *", |_: JobContext| async {});
    let builder = Scheduler::builder(url(&redis, "otto"))
        .namespace("test")
        .job(job);
    assert!(Box::pin(builder.only(["report"]).start()).await.is_err());
}

/// A job is forgotten, and marks are taken back, by who has the rights of a scheduler.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_forgets_a_job_has_the_rights_of_a_scheduler() {
    let Some((redis, scheduler)) = service().await else {
        return;
    };
    assert!(scheduler.shutdown(BOUND).await.recorded);
    let rules = [
        ("vera", RedisStore::acl_rule_for_viewer("test")),
        ("otto", RedisStore::acl_rule_for_operator("test")),
        ("sam", RedisStore::acl_rule("test")),
    ];
    for (name, rule) in &rules {
        set_user(&redis, name, rule);
    }
    let sam = connect(&redis, "sam").await.unwrap();
    // Until the quarantine of the new namespace is over.
    while let Err(error) = sam.forget("report").preview().await {
        assert!(matches!(error, Error::NotYet { .. }), "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (name, word) in [("vera", "may look"), ("otto", "missing: +del")] {
        let control = connect(&redis, name).await.unwrap();
        let by = control.forget("report").by(name);
        assert_eq!(by.clone().preview().await.unwrap().job, "report");
        let refused = [
            by.await.map(drop),
            control.take_back("report").await.map(drop),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{name}: {error}");
            assert!(error.to_string().contains(word), "{name}: {error}");
        }
    }
    assert_eq!(sam.gone().await.unwrap().len(), 1);
    assert!(sam.trail().await.unwrap().entries.is_empty());
    assert_eq!(sam.take_back("report").await.unwrap(), 0);
    assert!(!sam.forget("report").by("sam").await.unwrap().already);
    assert_eq!(sam.gone().await.unwrap(), []);
}
