//! Who may look may not change, and who may change one job may not change others.

use http::Method;
use scheduled_one_console::access::Decision;
use scheduled_one_console::{Action, ConsoleService, Rights};

use crate::world::{World, post, request, send, user};

const ACTIONS: [&str; 9] = [
    "backfill",
    "backfill/stop",
    "pause",
    "reschedule",
    "reset",
    "resume",
    "run",
    "runs/1/cancel",
    "ticks/1767225600000/rerun",
];
const VERBS: [&str; 7] = [
    ":backfill",
    ":pause",
    ":reschedule",
    ":reset",
    ":resume",
    ":run",
    "/runs/1:cancel",
];

async fn get(console: &ConsoleService, path: &str) -> crate::world::Reply {
    send(console, request(Method::GET, path).body(String::new())).await
}

#[tokio::test(start_paused = true)]
async fn who_may_look_may_not_change() {
    let world = World::with(user("eve", Rights::read_only())).await;
    for action in ACTIONS {
        let reply = world
            .post(&format!("/jobs/nightly/{action}"), "")
            .await
            .is(403);
        reply.has("You may not");
    }
    for verb in VERBS {
        let reply = world
            .post(&format!("/api/v1/jobs/nightly{verb}"), "")
            .await
            .is(403);
        assert_eq!(reply.json()["error"]["code"], "forbidden");
    }
    let page = world.get("/jobs/nightly").await.is(200);
    page.has("You may look at this job, and not change it.")
        .lacks("<form method=\"post\"");
    assert!(
        world
            .control
            .ledger("nightly", 1)
            .await
            .expect("ledger")
            .is_empty()
    );
    assert_eq!(
        world
            .control
            .describe("nightly")
            .await
            .expect("described")
            .version,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_right_with_one_job_is_for_that_job() {
    let rights = Rights::read_only().allow_for_job("nightly", Action::Pause);
    let world = World::with(user("eve", rights)).await;
    world.post("/jobs/nightly/pause", "").await.is(303);
    world.post("/jobs/broken/pause", "").await.is(403);
    world.post("/jobs/nightly/run", "").await.is(403);
    world
        .get("/jobs/nightly")
        .await
        .is(200)
        .has("/jobs/nightly/resume")
        .lacks("/jobs/nightly/run\"");
    world
        .get("/jobs/broken")
        .await
        .is(200)
        .lacks("/jobs/broken/pause");
    // The name of a job cannot be bent to that of another one.
    for name in [
        "nightly%2F..%2Fbroken",
        "broken%3Anightly",
        "nightly%00",
        "NIGHTLY",
    ] {
        world.post(&format!("/jobs/{name}/pause"), "").await.is(403);
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_see_one_job_sees_no_other() {
    let rights = Rights::none().allow_for_job("nightly", Action::View);
    let world = World::with(user("eve", rights)).await;
    world
        .get("/")
        .await
        .is(200)
        .has("1 of 1 jobs")
        .lacks("broken");
    world.get("/cluster").await.is(200).lacks("broken");
    let nodes = world
        .get("/api/v1/nodes")
        .await
        .is(200)
        .lacks("broken")
        .json();
    assert_eq!(nodes["nodes"][0]["jobs"], serde_json::json!(["nightly"]));
    for path in [
        "/jobs/broken",
        "/jobs/broken/runs/1",
        "/jobs/broken/ticks/1",
        "/api/v1/jobs/broken",
    ] {
        world.get(path).await.is(403);
    }
    let jobs = world.get("/api/v1/jobs").await.is(200).json();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_enter_gets_nothing() {
    let world = World::new().await;
    let closed = world.seen_by(|_: &http::request::Parts| Decision::sign_in("Sign in first."));
    for path in [
        "/",
        "/cluster",
        "/jobs/nightly",
        "/events",
        "/assets/console.css",
        "/nosuch",
    ] {
        get(&closed, path)
            .await
            .is(401)
            .has("Sign in first.")
            .lacks("nightly");
    }
    let reply = get(&closed, "/api/v1/jobs").await.is(401);
    assert_eq!(reply.json()["error"]["message"], "Sign in first.");
    for action in ACTIONS {
        post(&closed, &format!("/jobs/nightly/{action}"), "")
            .await
            .is(401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_with_a_group_is_for_the_jobs_that_are_in_it() {
    let world = World::new().await;
    let rights = Rights::none()
        .allow_for_group("billing", Action::View)
        .allow_for_group("billing", Action::Pause);
    let console = world.seen_by(user("bob", rights));
    let get =
        async |path: &str| send(&console, request(Method::GET, path).body(String::new())).await;
    get("/")
        .await
        .is(200)
        .has("/jobs/nightly")
        .lacks("/jobs/patient");
    get("/jobs/nightly")
        .await
        .is(200)
        .has("action=\"/jobs/nightly/pause\"")
        .lacks("/jobs/nightly/run\"");
    get("/jobs/patient").await.is(403);
    get("/timeline")
        .await
        .is(200)
        .has("/jobs/nightly")
        .lacks("/jobs/patient");
    get("/cluster")
        .await
        .is(200)
        .has("/jobs/nightly")
        .lacks("/jobs/patient");
    post(&console, "/jobs/nightly/pause", "").await.is(303);
    post(&console, "/jobs/patient/pause", "").await.is(403);
    post(&console, "/jobs/nightly/run", "").await.is(403);
    let paused = world.control.describe("nightly").await.expect("described");
    assert_eq!(paused.pauses.len(), 1);
}
