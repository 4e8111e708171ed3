//! What fires, what was sent, and who sees it.

use http::Method;
use scheduled_one_console::{Action, Rights};
use scheduled_one_runtime::alerts::{Alert, Alerts, BoxFuture, Channel, DeliveryError, Rules};

use crate::world::{HOSTILE, World, eventually, request, send, user};

/// A receiver that refuses, with markup.
#[derive(Debug)]
struct Refuses;

impl Channel for Refuses {
    fn name(&self) -> &str {
        "pager"
    }

    fn deliver<'a>(
        &'a self,
        _alert: &'a Alert,
        _now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async { Err(DeliveryError::Refused(HOSTILE.to_owned())) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_fires_is_shown_with_what_was_sent_to_those_who_may_see_it() {
    let world = World::new().await;
    let none = world.get("/alerts").await.is(200);
    none.has("No node evaluates alerts")
        .has("<code>.alerts(…)</code>");
    let _node = world
        .evaluate(Alerts::new(Rules::default()).notify(Refuses))
        .await;
    eventually("they are evaluated", async || {
        world.get("/alerts").await.text.contains("Nothing fires")
    })
    .await;
    world.ran("broken").await;
    eventually("the message was refused", async || {
        world.get("/alerts").await.text.contains("not delivered")
    })
    .await;
    let page = world.get("/alerts").await.is(200);
    page.has("href=\"/jobs/broken\"")
        .has("failed")
        .has("pager")
        .has("[firing] broken: failed")
        .has("&lt;script&gt;alert(1)")
        .lacks("<script>alert")
        .lacks("<img")
        .has("<a href=\"/alerts\" aria-current=\"page\">Alerts</a>");

    let seen_with = async |rights: Rights| {
        let console = world.seen_by(user("bob", rights));
        let sent = request(Method::GET, "/alerts").body(String::new());
        send(&console, sent).await.is(200)
    };
    let all = seen_with(Rights::read_only()).await;
    all.has("[firing] broken: failed");
    let one = Rights::none().allow_for_job("broken", Action::View);
    let own = seen_with(one).await;
    own.has("/jobs/broken").lacks("pager").lacks("[firing]");
    let other = Rights::none().allow_for_job("nightly", Action::View);
    let other = seen_with(other).await;
    other.has("Nothing fires").lacks("broken").lacks("pager");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_evaluates_is_not_shown_as_well() {
    let world = World::new().await;
    let node = world.evaluate(Alerts::new(Rules::default())).await;
    eventually("they are evaluated", async || {
        world.get("/alerts").await.text.contains("Nothing fires")
    })
    .await;
    // Two evaluations say how often there is one.
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let page = world.get("/alerts").await.is(200);
    page.has("Nothing fires").lacks("Nobody evaluates");
    Box::pin(node.shutdown(std::time::Duration::from_secs(1))).await;
    eventually("nobody evaluates them", async || {
        let page = world.get("/alerts").await.text;
        page.contains("Nobody evaluates alerts now") && !page.contains("Nothing fires")
    })
    .await;
    let page = world.get("/alerts").await.is(200);
    page.has("What is shown is of ").has("Nothing fired then");
}
