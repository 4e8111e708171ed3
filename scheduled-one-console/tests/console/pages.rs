//! Each page, with its empty and error states.

use std::sync::Arc;

use scheduled_one_console::{Console, Rights};
use scheduled_one_control::Control;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::machine::VERSION;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_redis::{ConnectOptions, RedisStore};
use tower::ServiceExt as _;

use crate::world::{World, request, send, user};

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_with_what_became_of_them() {
    let world = World::new().await;
    world.ran("nightly").await;
    world.ran("broken").await;
    let page = world.get("/").await.is(200);
    let page = page
        .has("5 of 5 jobs")
        .has("nightly")
        .has("every 1h")
        .has("never ran");
    page.has("1 outcomes: 0 ok, 1 bad")
        .has("1 outcomes: 1 ok, 0 bad");
    let found = world.get("/?q=NIGHT").await.is(200).has("1 of 1 jobs");
    found.lacks("/jobs/patient");
    let problems = world.get("/?problems=1").await.is(200).has("/jobs/broken");
    problems.lacks("/jobs/nightly");
    world
        .get("/?q=nosuch")
        .await
        .is(200)
        .has("No job has “nosuch” in its name.");
    world
        .get("/?after=nightly")
        .await
        .is(200)
        .has("/jobs/patient")
        .has("First page")
        .lacks("/jobs/broken");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_nodes_do_not_list_are_not_missing() {
    let world = World::new().await;
    let _node = world.add_jobs_that_are_not_listed().await;
    let page = world.get("/").await.is(200).has("7 of 7 jobs");
    page.has(">disabled<").lacks("no node has it");
    let problems = world.get("/?problems=1").await.is(200);
    problems.has("None of the 7 jobs that were looked at has a problem");
    for job in ["each-node", "off"] {
        let page = world.get(&format!("/jobs/{job}")).await.is(200);
        page.lacks("No living node has this job")
            .has("not listed: nodes name the jobs that they share");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_shows_schedule_control_and_ledger() {
    let world = World::new().await;
    world.ran("nightly").await;
    let page = world.get("/jobs/nightly").await.is(200);
    let page = page
        .has("Adds up")
        .has("every 1h")
        .has("2026-01-01 01:00:00 UTC");
    let page = page
        .has("Not paused")
        .has("Version 0")
        .has("Nothing runs, and nothing waits.");
    page.has("The newest lines")
        .has("manual")
        .has("node-a")
        .has("action=\"/jobs/nightly/pause\"");
    world
        .get("/jobs/patient")
        .await
        .is(200)
        .has("No tick was decided yet")
        .has("every 1h");
    world
        .get("/jobs/nihgtly")
        .await
        .is(404)
        .has("There is no such job")
        .has("href=\"/jobs/nightly\"");
}

#[tokio::test(start_paused = true)]
async fn a_run_shows_its_attempts() {
    let world = World::new().await;
    let token = world.running("patient").await;
    let job = world.get("/jobs/patient").await.is(200);
    job.has(&format!("action=\"/jobs/patient/runs/{token}/cancel\""))
        .has("name=\"shard\" value=\"0\"");
    let run = world
        .get(&format!("/jobs/patient/runs/{token}"))
        .await
        .is(200);
    run.has("running")
        .has("None has ended yet.")
        .has("Cancel this run");

    world.ran("broken").await;
    let line = &world.control.ledger("broken", 1).await.expect("ledger")[0];
    let token = line.token.expect("it ran");
    let run = world
        .get(&format!("/jobs/broken/runs/{token}"))
        .await
        .is(200);
    let run = run
        .has("failed")
        .has("Run this tick again")
        .has(&line.request);
    run.has(&format!(
        "action=\"/jobs/broken/ticks/{}/rerun\"",
        line.tick
    ));
    world
        .get(&format!("/jobs/broken/ticks/{}", line.tick))
        .await
        .is(200)
        .has("Tick 2026-01-01");
    world
        .get("/jobs/broken/runs/999999")
        .await
        .is(404)
        .has("has no line of this run");
    world.get("/jobs/broken/runs/x").await.is(400);
}

#[tokio::test(start_paused = true)]
async fn the_cluster_shows_nodes_with_their_jobs() {
    let world = World::new().await;
    world
        .get("/cluster")
        .await
        .is(200)
        .has("1 living node")
        .has("node-a")
        .has(&format!("<td data-label=\"Protocol\">{VERSION}</td>"))
        .has("/jobs/patient");
    world.get("/nosuch").await.is(404).has("Nothing found");
}

#[tokio::test]
async fn an_empty_store_says_what_to_do() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let control = Control::of_stores(vec![store]).expect("control");
    let console = Console::new(control).access(user("ann", Rights::all()));
    let get = async |path| {
        send(
            &console,
            request(http::Method::GET, path).body(String::new()),
        )
        .await
    };
    get("/")
        .await
        .is(200)
        .has("No jobs yet")
        .has("Start a scheduler with this store");
    get("/cluster").await.is(200).has("No node lives");
}

#[tokio::test]
async fn a_store_that_is_away_says_what_to_do() {
    // Port 1 of the own machine: nobody listens there.
    let store =
        RedisStore::unchecked("redis://127.0.0.1:1/", "away", &ConnectOptions::default()).await;
    let store: Arc<dyn Store> = Arc::new(store.expect("no request is sent yet"));
    let console = Console::new(Control::of_stores(vec![store]).expect("control"));
    let console = console.access(user("ann", Rights::all()));
    let get = async |path| {
        send(
            &console,
            request(http::Method::GET, path).body(String::new()),
        )
        .await
    };
    let page = get("/")
        .await
        .is(503)
        .has("The store is away")
        .has("whose runs are active go on");
    assert_eq!(page.header("refresh"), "5");
    page.has("data-live=\"/events\"");
    // The address of a form cannot be loaded again.
    let reply = crate::world::post(&console, "/jobs/nightly/pause", "")
        .await
        .is(503);
    assert_eq!(reply.header("refresh"), "");
    let reply = get("/api/v1/jobs").await.is(503);
    assert_eq!(reply.json()["error"]["code"], "store");
}

#[tokio::test(start_paused = true)]
async fn links_begin_where_the_console_is_mounted() {
    let world = World::new().await;
    world
        .get("/")
        .await
        .is(200)
        .has("href=\"/jobs/nightly\"")
        .has("href=\"/cluster\"");
    let nested = axum::Router::new().nest_service("/ops/cron", world.console.clone());
    let nested = axum::Router::new().nest("/internal", nested);
    for path in ["/internal/ops/cron", "/internal/ops/cron/"] {
        let request = request(http::Method::GET, path).body(axum::body::Body::empty());
        let reply = nested
            .clone()
            .oneshot(request.expect("a request"))
            .await
            .expect("infallible");
        assert_eq!(reply.status(), 200, "{path}");
        let text = axum::body::to_bytes(reply.into_body(), usize::MAX)
            .await
            .expect("a body");
        let text = String::from_utf8_lossy(&text);
        for part in [
            "href=\"/internal/ops/cron/jobs/nightly\"",
            "src=\"/internal/ops/cron/assets/console-",
        ] {
            assert!(text.contains(part), "{path}: no {part} in {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn links_begin_where_a_proxy_says() {
    let world = World::new().await;
    let url = "https://ops.example/cron/".parse().expect("a URL");
    let console = Console::new(world.control.clone()).public_url(url);
    let console = console.access(user("ann", Rights::all()));
    let page = send(
        &console,
        request(http::Method::GET, "/").body(String::new()),
    )
    .await;
    page.is(200).has("href=\"/cron/jobs/nightly\"");
}

#[tokio::test(start_paused = true)]
async fn style_and_script_are_kept_a_year() {
    let world = World::new().await;
    let page = world.get("/").await.is(200);
    for ending in ["css", "js"] {
        let name = page
            .text
            .split('"')
            .find(|part| part.starts_with("/assets/") && part.ends_with(ending));
        let asset = world.get(name.expect("its address")).await.is(200);
        assert_eq!(
            asset.header("cache-control"),
            "private, max-age=31536000, immutable"
        );
    }
    world.get("/assets/console-0.css").await.is(404);
}

#[tokio::test(start_paused = true)]
async fn of_10_000_jobs_a_page_shows_50() {
    let world = World::new().await;
    let names: Vec<String> = (0..10_000)
        .map(|number| format!("many-{number:05}"))
        .collect();
    world
        .add_node("node-b", names.iter().map(String::as_str))
        .await;
    let page = world
        .get("/?q=many")
        .await
        .is(200)
        .has("50 of 10000 jobs")
        .has("/jobs/many-00049");
    page.lacks("/jobs/many-00050").has("after=many-00049");
    let page = world.get("/?q=many&after=many-00049").await.is(200);
    page.has("/jobs/many-00050")
        .has("/jobs/many-00099")
        .lacks("/jobs/many-00100");
    // The search for problems goes on where it stopped, and says how far it came.
    let page = world.get("/?q=many&problems=1").await.is(200);
    page.has("None of the 550 jobs that were looked at has a problem.")
        .has("after=many-00549");
}

#[tokio::test(start_paused = true)]
async fn each_tick_of_the_range_has_a_cell() {
    let world = World::new().await;
    // Five hours, in virtual time.
    tokio::time::sleep(std::time::Duration::from_secs(5 * 3_600 + 60)).await;
    // A run that somebody asked for is no outcome of a tick.
    world.ran("broken").await;
    let page = world.get("/jobs/broken?range=week").await.is(200);
    let page = page
        .has("5 ticks: 5 failed.")
        .has("The job is known since <time datetime=\"2026-01-01T00:00:0");
    let cells = page.text.matches("class=\"cell bad\"").count();
    assert_eq!(cells, 5);
    page.has("2026-01-01 03:00:00 UTC: failed")
        .has("median ")
        .has("A tick that comes while a run is active is skipped.");
}

#[tokio::test(start_paused = true)]
async fn the_time_line_shows_where_jobs_meet() {
    let world = World::new().await;
    world.control.pause("echo").await.expect("paused");
    let page = world.get("/timeline").await.is(200);
    let page = page
        .has("aria-label=\"24 ticks")
        .has("2026-01-01 01:00:00 UTC")
        .has("Jobs that start at the same instant");
    // Another schedule is known as well as that in the code.
    let other = world.control.reschedule("nightly", "0 30 4,5 * * *");
    other.await.expect("rescheduled");
    let rescheduled = world.get("/timeline").await.is(200);
    rescheduled
        .has("aria-label=\"2 ticks")
        .has("in place of that in the code")
        .lacks("not known here");
    let first = "<time datetime=\"2026-01-01T04:30:00Z\"";
    world.get("/?q=nightly").await.is(200).has(first);
    let is_of_it =
        |row: &&str| row.contains("<th scope=\"row\"><time datetime=\"2026-01-01T01:00:00Z\"");
    let row = page.text.split("<tr>").find(is_of_it).expect("an instant");
    assert!(
        row.contains("nightly") && row.contains("patient") && !row.contains("echo"),
        "{row}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_doctor_examines_the_store_when_asked() {
    let world = World::new().await;
    world.get("/cluster").await.is(200).lacks("embedded");
    let page = world.post("/cluster", "").await.is(200);
    page.has("embedded")
        .has("warning")
        .has("a redis:// URL, as soon as");
    let limited = Rights::none().allow_for_job("nightly", scheduled_one_console::Action::View);
    let limited = world.seen_by(user("eve", limited));
    crate::world::post(&limited, "/cluster", "").await.is(403);
}

#[tokio::test(start_paused = true)]
async fn nodes_of_two_releases_are_shown() {
    let world = World::new().await;
    world
        .get("/jobs/nightly")
        .await
        .is(200)
        .lacks("different schedules");
    world
        .add_node("node-old", ["*protocol=1", "nightly=00000000000000ab"])
        .await;
    let page = world.get("/jobs/nightly").await.is(200);
    page.has("Nodes have different schedules of this job")
        .has("00000000000000ab")
        .has("node-old");
    world
        .get("/")
        .await
        .is(200)
        .has("nodes have different schedules");
    let cluster = world.get("/cluster").await.is(200);
    cluster.has("1: an older release");
}
