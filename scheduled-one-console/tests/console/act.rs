//! Each action, as the forms of the pages send it.

use http::Method;
use scheduled_one_console::{Action, Rights};
use scheduled_one_protocol::Outcome;

use crate::world::{Reply, World, request, send, user};

#[track_caller]
fn leads_to(reply: Reply, path: &str) {
    let reply = reply.is(303);
    assert_eq!(reply.header("location"), path);
}

#[tokio::test(start_paused = true)]
async fn a_pause_has_a_note_and_an_end_and_a_name() {
    let world = World::new().await;
    let form = "note=new+supplier&until=2999-12-24T18%3A00&version=0";
    leads_to(
        world.post("/jobs/nightly/pause", form).await,
        "/jobs/nightly?done=paused",
    );
    let page = world.get("/jobs/nightly?done=paused").await.is(200);
    let page = page
        .has("Nothing of the schedule starts.")
        .has("new supplier")
        .has("by ann");
    page.has("2999-12-24 18:00:00 UTC")
        .has("Version ")
        .has("action=\"/jobs/nightly/resume\"");
    let described = world.control.describe("nightly").await.expect("described");
    assert_eq!(described.pauses[0].by, "ann");
    let version = format!("version={}", described.version);
    world
        .get("/")
        .await
        .is(200)
        .has("paused")
        .has("none while paused");

    leads_to(
        world.post("/jobs/nightly/resume", &version).await,
        "/jobs/nightly?done=resumed",
    );
    let described = world.control.describe("nightly").await.expect("described");
    assert!(described.pauses.is_empty());
    leads_to(
        world.post("/jobs/nightly/resume", "").await,
        "/jobs/nightly?done=resumed-already",
    );
}

#[tokio::test(start_paused = true)]
async fn who_was_faster_is_shown_and_not_overwritten() {
    let world = World::new().await;
    world
        .control
        .pause("nightly")
        .by("bob")
        .note("his reason")
        .await
        .expect("paused");
    let reply = world
        .post("/jobs/nightly/pause", "note=mine&version=0")
        .await
        .is(409);
    reply
        .has("Somebody else was faster")
        .has("paused, version ")
        .has("bob")
        .has("his reason");
    let described = world.control.describe("nightly").await.expect("described");
    assert_eq!(described.pauses[0].note, "his reason");
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_parameters_and_starts_once() {
    let world = World::new().await;
    let form = "id=console-1&params=%7B%22customer%22%3A7%7D&note=by+hand";
    leads_to(
        world.post("/jobs/echo/run", form).await,
        "/jobs/echo?done=asked",
    );
    leads_to(
        world.post("/jobs/echo/run", form).await,
        "/jobs/echo?done=asked-already",
    );
    world
        .get("/jobs/echo?done=asked")
        .await
        .is(200)
        .has("A run was asked for");
    crate::world::eventually("it ran", async || {
        !world
            .control
            .ledger("echo", 1)
            .await
            .expect("ledger")
            .is_empty()
    })
    .await;
    let lines = world.control.ledger("echo", 10).await.expect("ledger");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].error, "{\"customer\":7}");
    assert_eq!(
        (lines[0].actor.as_str(), lines[0].request.as_str()),
        ("ann", "console-1")
    );
    // `echo` fails with what it was given; parameters are no text of the page otherwise.
    world
        .post("/jobs/echo/run", "params=%7Bno")
        .await
        .is(400)
        .has("no JSON");
    world
        .post("/jobs/echo/run", "on_busy=perhaps")
        .await
        .is(400)
        .has("none of skip, wait");
    world.post("/jobs/nosuch/run", "").await.is(404);
}

#[tokio::test(start_paused = true)]
async fn one_run_is_cancelled_by_its_token() {
    let world = World::new().await;
    let token = world.running("patient").await;
    let cancel = format!("/jobs/patient/runs/{token}/cancel");
    world.post(&cancel, "shard=7").await.is(400).has("shard");
    let reply = world.post(&cancel, "note=wrong+input&shard=0").await;
    leads_to(reply, "/jobs/patient?done=cancelling");
    crate::world::eventually("it is cancelled", async || {
        !world
            .control
            .ledger("patient", 1)
            .await
            .expect("ledger")
            .is_empty()
    })
    .await;
    let line = &world.control.ledger("patient", 1).await.expect("ledger")[0];
    assert_eq!(line.outcome, Outcome::Cancelled);
    assert!(
        line.reason.starts_with("by ann: wrong input"),
        "{}",
        line.reason
    );
    let again = world.post(&cancel, "").await.is(409);
    again.has("There is no such run now");
}

#[tokio::test(start_paused = true)]
async fn a_tick_runs_again() {
    let world = World::new().await;
    let asked = world
        .post("/jobs/nightly/ticks/1767225600000/rerun", "id=again")
        .await;
    leads_to(asked, "/jobs/nightly?done=asked");
    crate::world::eventually("it ran", async || {
        !world
            .control
            .ledger("nightly", 1)
            .await
            .expect("ledger")
            .is_empty()
    })
    .await;
    let page = world.get("/jobs/nightly/ticks/1767225600000").await.is(200);
    page.has("rerun")
        .has("by ann")
        .has("2026-01-01 00:00:00 UTC");
    world.post("/jobs/nightly/ticks/-5/rerun", "").await.is(404);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_no_instant_or_over_is_refused() {
    let world = World::new().await;
    world
        .post("/jobs/nightly/pause", "until=tomorrow")
        .await
        .is(400)
        .has("is no instant");
    world
        .post("/jobs/nightly/pause", "until=1999-01-01T00%3A00")
        .await
        .is(400)
        .has("is over");
    let long = format!("note={}", "x".repeat(2_000));
    world
        .post("/jobs/nightly/pause", &long)
        .await
        .is(400)
        .has("longer than 1,024 bytes");
    let described = world.control.describe("nightly").await.expect("described");
    assert!(described.pauses.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_backfill_shows_its_plan_and_runs_once_that_was_seen() {
    let world = World::new().await;
    tokio::time::sleep(std::time::Duration::from_secs(4 * 3_600 + 60)).await;
    let range = "from=2026-01-01T00%3A30&to=2026-01-01T03%3A30&only=failed&note=paper+again";
    let plan = world.post("/jobs/broken/backfill", range).await.is(200);
    plan.has("<b>3</b> ticks run")
        .has("2026-01-01 02:00:00 UTC")
        .has("value=\"paper again\"");
    let asked = async || {
        let lines = world.control.ledger("broken", 100).await.expect("ledger");
        lines.iter().filter(|line| line.cause.is_some()).count()
    };
    assert_eq!(asked().await, 0, "a plan runs nothing");
    leads_to(
        world
            .post("/jobs/broken/backfill", &format!("{range}&go=1"))
            .await,
        "/jobs/broken?done=backfilling",
    );
    crate::world::eventually("three ticks ran again", async || asked().await == 3).await;
    world
        .post(
            "/jobs/broken/backfill",
            "from=2026-01-01T00%3A00&only=missed",
        )
        .await
        .is(400)
        .has("both ends");
    world
        .post("/jobs/broken/backfill", &range.replace("failed", "some"))
        .await
        .is(400)
        .has("none of missed");
    leads_to(
        world.post("/jobs/broken/backfill/stop", "").await,
        "/jobs/broken?done=ended",
    );

    let trail = world.get("/trail?job=broken").await.is(200);
    trail
        .has("backfill")
        .has("paper again")
        .has("ann")
        .lacks("/jobs/nightly");
}

#[tokio::test(start_paused = true)]
async fn the_trail_shows_who_did_what_to_those_who_see_the_job() {
    let world = World::new().await;
    world
        .post("/jobs/nightly/pause", "note=audit")
        .await
        .is(303);
    world.post("/jobs/echo/run", "note=by+hand").await.is(303);
    let trail = world.get("/trail").await.is(200);
    trail.has("audit").has("by hand").has("ann");
    world
        .get("/trail?action=pause")
        .await
        .is(200)
        .has("audit")
        .lacks("by hand");
    let one = Rights::none().allow_for_job("echo", Action::View);
    let console = world.seen_by(user("bob", one));
    let sent = request(Method::GET, "/trail").body(String::new());
    send(&console, sent)
        .await
        .is(200)
        .has("by hand")
        .lacks("audit");
}

#[tokio::test(start_paused = true)]
async fn another_schedule_shows_its_ticks_and_holds_once_they_were_seen() {
    let world = World::new().await;
    let described = async || world.control.describe("nightly").await.expect("described");
    let form = "schedule=0+30+4+*+*+*&tz=Europe%2FBerlin&note=after+the+backup&version=0";
    let shown = world.post("/jobs/nightly/reschedule", form).await.is(200);
    shown
        .has("Its next ticks:")
        .has("2026-01-01T03:30:00Z")
        .has("value=\"after the backup\"")
        .has("name=\"version\" value=\"0\"");
    assert_eq!(
        described().await.overridden,
        None,
        "a preview changes nothing"
    );
    leads_to(
        world
            .post("/jobs/nightly/reschedule", &format!("{form}&go=1"))
            .await,
        "/jobs/nightly?done=rescheduled",
    );
    let page = world.get("/jobs/nightly?done=rescheduled").await.is(200);
    page.has("The schedule is another one")
        .has("In its place: ")
        .has("<code>0 30 4 * * *</code> (Europe/Berlin)")
        .has("2026-01-01T03:30:00Z")
        .lacks("2026-01-01T01:00:00Z")
        .has("action=\"/jobs/nightly/reset\"");
    let next = &world.get("/api/v1/jobs/nightly").await.is(200).json()["next"][0];
    assert_eq!(*next, "2026-01-01T03:30:00Z");
    let list = world.get("/?q=nightly").await.is(200);
    list.has("2026-01-01T03:30:00Z")
        .lacks("2026-01-01T01:00:00Z");
    // Who saw an older page changes nothing.
    let stale = world.post("/jobs/nightly/reset", "version=0&go=1").await;
    stale.is(409).has("Somebody else was faster");

    let version = format!("version={}", described().await.version);
    let reset = world.post("/jobs/nightly/reset", &version).await.is(200);
    reset.has("2026-01-01T01:00:00Z").has("Change it");
    leads_to(
        world
            .post("/jobs/nightly/reset", &format!("{version}&go=1"))
            .await,
        "/jobs/nightly?done=reset",
    );
    assert!(
        described()
            .await
            .overridden
            .is_some_and(|it| it.wanted.is_reset())
    );
    let page = world.get("/jobs/nightly").await.is(200);
    page.lacks("In its place").lacks("/jobs/nightly/reset\"");
    let again = world.post("/jobs/nightly/reset", "").await.is(200);
    again.has("It holds already");
    for (form, why) in [
        ("schedule=at+dawn", "schedule"),
        ("schedule=0+0+4+*+*+*&tz=Mars%2FOlympus", "Mars/Olympus"),
        ("schedule=", "it is empty"),
    ] {
        let refused = world.post("/jobs/nightly/reschedule", form).await.is(400);
        refused.has(why);
    }
    let trail = world.get("/trail?job=nightly").await.is(200);
    trail.has("reschedule").has("after the backup").has("ann");
}

#[tokio::test(start_paused = true)]
async fn the_trail_goes_back_page_by_page() {
    let world = World::new().await;
    for number in 0..120 {
        let by = format!("user-{number}");
        let paused = world.control.pause("nightly").by(&by).note("<b>");
        paused.await.expect("paused");
        world
            .control
            .resume("nightly")
            .by(by)
            .await
            .expect("resumed");
    }
    let (mut path, mut pages) = ("/trail?job=nightly".to_owned(), 0);
    let (mut pauses, mut resumes) = (0, 0);
    loop {
        let page = world.get(&path).await.is(200).lacks("<b>&lt;b&gt;");
        pages += 1;
        pauses += page.text.matches("<b>pause</b>").count();
        resumes += page.text.matches("<b>resume</b>").count();
        let earlier = page
            .text
            .split("href=\"")
            .find(|it| it.contains(">Earlier<"));
        let Some(earlier) = earlier.and_then(|it| it.split('"').next()) else {
            page.has("user-0<").has(">Newest<");
            break;
        };
        path = earlier.replace("&amp;", "&");
        assert!(path.starts_with("/trail?job=nightly&before="), "{path}");
    }
    assert_eq!((pages, pauses, resumes), (2, 120, 120));
    let wrong = world.get("/trail?before=yesterday").await.is(400);
    wrong.has("no cursor");
    world
        .get("/trail?before=1-1.1-1")
        .await
        .is(400)
        .has("2 buckets");
}
