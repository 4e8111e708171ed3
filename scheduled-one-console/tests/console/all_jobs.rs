//! All jobs are paused and resumed at once.

use http::Method;
use scheduled_one_console::{Action, Rights};

use crate::world::{World, post, request, send, user};

#[tokio::test(start_paused = true)]
async fn all_jobs_are_paused_and_resumed_by_who_may() {
    let world = World::new().await;
    let page = world.get("/").await.is(200);
    page.has("action=\"/jobs/%2A/pause\"")
        .lacks("All jobs are paused");
    let reply = world.post("/jobs/%2A/pause", "note=the+move").await.is(303);
    assert_eq!(reply.header("location"), "/?done=paused-all");
    let page = world.get("/?done=paused-all").await.is(200);
    let page = page.has("5 paused").has("Runs that were active go on.");
    page.has("until somebody resumes all jobs, by ann")
        .has("the move")
        .has("action=\"/jobs/%2A/resume\"");
    // The page of a job names the way out.
    let job = world.get("/jobs/nightly").await.is(200);
    job.has("Paused with all jobs")
        .has("<a href=\"/\">Resume all jobs</a>");

    // Who may pause one job may not change that of all.
    let some = Rights::read_only().allow_for_job("nightly", Action::Pause);
    for rights in [some, Rights::read_only()] {
        let console = world.seen_by(user("eve", rights));
        let page = send(&console, request(Method::GET, "/").body(String::new())).await;
        page.is(200)
            .has("All jobs are paused")
            .lacks("/jobs/%2A/resume");
        post(&console, "/jobs/%2A/resume", "").await.is(403);
    }

    let reply = world.post("/jobs/%2A/resume", "").await.is(303);
    assert_eq!(reply.header("location"), "/?done=resumed-all");
    let page = world.get("/?done=resumed-all").await.is(200);
    page.has("All jobs are resumed").lacks("5 paused");
    let again = world.post("/jobs/%2A/resume", "").await.is(303);
    assert_eq!(again.header("location"), "/?done=resumed-already-all");
    let trail = world.get("/trail").await.is(200);
    trail.has("the move").has("<b>resume</b>");
}

#[tokio::test(start_paused = true)]
async fn programs_pause_all_jobs_as_well() {
    let world = World::new().await;
    let act = async |verb: &str| {
        let sent = request(Method::POST, &format!("/api/v1/jobs/*:{verb}"));
        let sent = sent.header("sec-fetch-site", "same-origin");
        send(&world.console, sent.body(String::new())).await.is(200)
    };
    act("pause").await;
    world.get("/").await.has("5 paused");
    act("resume").await;
    world.get("/").await.lacks("paused");
}
