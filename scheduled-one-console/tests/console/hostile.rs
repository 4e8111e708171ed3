//! Texts that come from jobs, errors, operators and the store are shown, and are no markup.

use http::Method;
use scheduled_one_console::Rights;
use scheduled_one_protocol::{LedgerRecord, TickMs};

use crate::world::{HOSTILE, Reply, World, eventually, request, send, user};

/// The page shows the text, as text.
#[track_caller]
fn is_harmless(page: Reply) {
    let page = page.lacks("<script>alert").lacks("<img");
    page.has("&lt;script&gt;alert(1)").lacks("\"'>");
}

#[tokio::test(start_paused = true)]
async fn errors_notes_reasons_and_users_are_escaped() {
    let world = World::with(user(HOSTILE, Rights::all())).await;
    world.ran("broken").await;
    is_harmless(world.get("/").await.is(200));
    is_harmless(world.get("/jobs/broken").await.is(200));
    let token = world.control.ledger("broken", 1).await.expect("ledger")[0].token;
    is_harmless(
        world
            .get(&format!("/jobs/broken/runs/{}", token.expect("it ran")))
            .await
            .is(200),
    );

    world
        .control
        .pause("nightly")
        .note(HOSTILE)
        .by(HOSTILE)
        .await
        .expect("paused");
    is_harmless(world.get("/jobs/nightly").await.is(200));
    is_harmless(world.post("/jobs/nightly/pause", "version=0").await.is(409));

    let token = world.running("patient").await;
    world
        .control
        .cancel("patient", token)
        .note(HOSTILE)
        .await
        .expect("cancelled");
    eventually("it is cancelled", async || {
        !world
            .control
            .ledger("patient", 1)
            .await
            .expect("ledger")
            .is_empty()
    })
    .await;
    is_harmless(world.get("/jobs/patient").await.is(200));
}

#[tokio::test(start_paused = true)]
async fn what_an_address_says_is_escaped() {
    let world = World::with(user(HOSTILE, Rights::all())).await;
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%3E%3Cimg%20src%3Dx%3E";
    is_harmless(world.get(&format!("/?q={encoded}")).await.is(200));
    is_harmless(world.get(&format!("/?after={encoded}")).await.is(200));
    is_harmless(world.get(&format!("/jobs/{encoded}")).await.is(404));
    is_harmless(
        world
            .post(&format!("/jobs/{encoded}/run"), "")
            .await
            .is(404),
    );
    is_harmless(
        world
            .post("/jobs/nightly/pause", &format!("until={encoded}"))
            .await
            .is(400),
    );
}

/// Somebody who may write into the store makes a node with any name and any jobs.
#[tokio::test(start_paused = true)]
async fn names_from_the_store_are_escaped() {
    let world = World::with(user(HOSTILE, Rights::all())).await;
    let names = ["<script>alert(1)</script>\"'>", "..", "a/b?c#d", "nightly"];
    world.add_node(HOSTILE, names).await;
    let page = world.get("/").await.is(200);
    is_harmless(
        page.has("href=\"/jobs/a%2Fb%3Fc%23d\"")
            .has("href=\"/jobs/%3Cscript%3E"),
    );
    is_harmless(world.get("/cluster").await.is(200));
    let api = world.get("/api/v1/jobs").await.is(200);
    assert_eq!(api.header("content-type"), "application/json");
    let stream = request(Method::GET, "/jobs/a%2Fb%3Fc%23d").body(String::new());
    is_harmless(send(&world.console, stream).await.is(200));
}

/// Lines that somebody edited have any instants.
#[tokio::test(start_paused = true)]
async fn instants_at_the_ends_of_time_are_shown() {
    let world = World::with(user("ann", Rights::all())).await;
    world.ran("broken").await;
    let sound = world.control.ledger("broken", 1).await.expect("ledger");
    let token = sound[0].token.expect("it ran");
    for (fired_ms, ended_ms) in [
        (i64::MIN, i64::MAX),
        (i64::MAX, i64::MIN),
        (i64::MIN, i64::MIN),
    ] {
        let edited = LedgerRecord {
            fired_at_ms: Some(fired_ms),
            ended_at_ms: ended_ms,
            tick: TickMs(ended_ms),
            ..sound[0].clone()
        };
        world.record(edited).await;
        for page in ["/", "/jobs/broken", "/timeline", "/api/v1/jobs/broken"] {
            world.get(page).await.is(200);
        }
        let run = format!("/jobs/broken/runs/{token}");
        world.get(&run).await.is(200);
    }
}
