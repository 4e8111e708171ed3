//! Clients that send or read slowly.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::world::{World, open, request};

/// A body whose end never comes.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_refused_after_a_while() {
    let world = World::new().await;
    let began = tokio::time::Instant::now();
    for path in ["/jobs/nightly/pause", "/api/v1/jobs/nightly:pause"] {
        let slow = request(Method::POST, path).header("sec-fetch-site", "same-origin");
        let slow = slow
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Endless);
        let answer = world
            .console
            .clone()
            .oneshot(slow.expect("a request"))
            .await
            .expect("infallible");
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT, "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(120));
    assert_eq!(
        world
            .control
            .describe("nightly")
            .await
            .expect("described")
            .version,
        0
    );
    world.get("/").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_holds_nobody_up() {
    let world = World::new().await;
    let stream = async || {
        let request = request(Method::GET, "/events?jobs=nightly");
        open(&world.console, request.body(String::new())).await
    };
    let mut silent = Vec::new();
    for _ in 0..63 {
        silent.push(stream().await);
    }
    let mut reader = stream().await.into_body();
    let mut next = async || {
        let frame = reader.frame().await.expect("it is open").expect("no error");
        String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8")
    };
    assert!(next().await.contains("event: start"));
    for _ in 0..5 {
        world.control.pause("nightly").await.expect("paused");
        while !next().await.contains("event: change") {}
        world.control.resume("nightly").await.expect("resumed");
        while !next().await.contains("event: change") {}
    }
}
