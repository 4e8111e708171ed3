//! Events: few streams, and what they say.

use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use scheduled_one_console::{Action, Body, Rights};
use scheduled_one_runtime::alerts::{Alerts, Rules};

use crate::world::{World, eventually, open, request, user};

async fn stream(world: &World, jobs: &str) -> Response<Body> {
    let request = request(Method::GET, &format!("/events?jobs={jobs}"));
    open(&world.console, request.body(String::new())).await
}

/// The address of the events that a page follows.
fn followed(page: &str) -> String {
    let follows = page.split("data-live=\"").nth(1);
    let follows = follows.and_then(|rest| rest.split('"').next());
    follows.expect("an address").replace("&amp;", "&")
}

/// The next event or comment.
async fn next(body: &mut Body) -> String {
    let frame = body
        .frame()
        .await
        .expect("the stream is open")
        .expect("no error");
    String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8")
}

#[tokio::test(start_paused = true)]
async fn of_500_pages_64_follow_and_the_others_ask() {
    let world = World::new().await;
    let mut streams = Vec::new();
    for number in 0..500 {
        let response = stream(&world, "nightly").await;
        match number < 64 {
            true => assert_eq!(response.status(), StatusCode::OK, "{number}"),
            false => {
                assert_eq!(
                    response.status(),
                    StatusCode::SERVICE_UNAVAILABLE,
                    "{number}"
                );
                assert_eq!(response.headers()["retry-after"], "10");
            }
        }
        streams.push(response);
    }
    // A page that is closed makes room.
    streams.remove(0);
    assert_eq!(stream(&world, "nightly").await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_said_to_the_pages_that_show_the_job() {
    let world = World::new().await;
    let response = stream(&world, "nightly,patient").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body();
    assert!(next(&mut body).await.contains("event: start"));
    // Nothing happens: a comment keeps the connection.
    assert_eq!(next(&mut body).await, ":\n\n");

    world.control.pause("broken").await.expect("paused");
    assert_eq!(next(&mut body).await, ":\n\n", "a job of another page");
    world.control.pause("nightly").await.expect("paused");
    assert!(next(&mut body).await.contains("event: change\nid: "));
    world.running("patient").await;
    assert!(next(&mut body).await.contains("event: change"));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_back_learns_what_it_has_missed() {
    let world = World::new().await;
    let mut body = stream(&world, "nightly").await.into_body();
    let start = next(&mut body).await;
    let id = start
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .expect("an id")
        .to_owned();
    drop(body);
    world.control.pause("nightly").await.expect("paused");
    let again = request(Method::GET, "/events?jobs=nightly").header("last-event-id", id);
    let mut body = open(&world.console, again.body(String::new()))
        .await
        .into_body();
    assert!(next(&mut body).await.contains("event: change"));
}

#[tokio::test(start_paused = true)]
async fn what_happens_between_a_page_and_its_stream_is_said() {
    let world = World::new().await;
    for path in ["/", "/jobs/nightly", "/timeline", "/trail"] {
        let page = world.get(path).await.is(200);
        let follows = followed(&page.text);
        let stream = async || {
            open(
                &world.console,
                request(Method::GET, &follows).body(String::new()),
            )
            .await
            .into_body()
        };
        // Nothing has happened: a comment keeps the connection.
        assert_eq!(next(&mut stream().await).await, ":\n\n", "{path}");
        world.control.pause("nightly").await.expect("paused");
        let event = next(&mut stream().await).await;
        // A browser drops an event without data.
        assert!(
            event.contains("event: change") && event.contains("data: look"),
            "{event}"
        );
        world.control.resume("nightly").await.expect("resumed");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_of_the_cluster_follows_its_nodes() {
    let world = World::new().await;
    world.knows_clocks().await;
    let follows = followed(&world.get("/cluster").await.is(200).text);
    let stream = request(Method::GET, &follows).body(String::new());
    let mut body = open(&world.console, stream).await.into_body();
    assert_eq!(next(&mut body).await, ":\n\n", "nothing has happened");
    world.control.pause("nightly").await.expect("paused");
    assert_eq!(next(&mut body).await, ":\n\n", "that is on other pages");
    for clock_offset_ms in [0, 2_300] {
        world.add_node_off("node-b", Some(clock_offset_ms)).await;
        assert!(next(&mut body).await.contains("event: change"));
    }
    // What the doctor found stays until somebody asks again; what is earlier does not change.
    for page in [world.post("/cluster", "").await, earlier(&world).await] {
        page.is(200).lacks("data-live=");
    }
}

/// A page of the trail with what was before the newest entry.
async fn earlier(world: &World) -> crate::world::Reply {
    world.control.resume("nightly").await.expect("resumed");
    let trail = world.control.trail().limit(1).await.expect("a trail");
    let earlier = trail.earlier.expect("there is a pause before");
    world.get(&format!("/trail?before={earlier}")).await
}

#[tokio::test(start_paused = true)]
async fn the_page_of_alerts_follows_what_fires() {
    let world = World::new().await;
    let follows = async || followed(&world.get("/alerts").await.is(200).text);
    let stream = async |path: &str| {
        let request = request(Method::GET, path).body(String::new());
        open(&world.console, request).await.into_body()
    };
    // Nobody evaluates alerts.
    let before = follows().await;
    let mut body = stream(&before).await;
    assert_eq!(next(&mut body).await, ":\n\n");
    let _node = world.evaluate(Alerts::new(Rules::default())).await;
    assert!(next(&mut body).await.contains("event: change"));
    // An evaluation without news is none for the page.
    eventually("they are evaluated", async || {
        world.get("/alerts").await.text.contains("Nothing fires")
    })
    .await;
    let mut body = stream(&follows().await).await;
    assert_eq!(next(&mut body).await, ":\n\n");
    world.ran("broken").await;
    assert!(next(&mut body).await.contains("event: change"));
}

#[tokio::test(start_paused = true)]
async fn who_sees_nothing_follows_nothing() {
    let world = World::new().await;
    let _node = world.evaluate(Alerts::new(Rules::default())).await;
    let rights = Rights::none().allow(Action::Run);
    let console = world.seen_by(user("eve", rights));
    let path = "/events?jobs=$alerts,%24alerts,broken&seen=1";
    let stream = request(Method::GET, path).body(String::new());
    let mut body = open(&console, stream).await.into_body();
    // What it follows is nothing, which is another state than the one that was said.
    assert!(next(&mut body).await.contains("event: change"));
    world.ran("broken").await;
    eventually("the failure is known", async || {
        world.get("/alerts").await.text.contains("/jobs/broken")
    })
    .await;
    for _ in 0..3 {
        assert_eq!(next(&mut body).await, ":\n\n");
    }
}
