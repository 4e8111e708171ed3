//! Pages follow the store by themselves, also through a restart of Redis.

use browser_tests::{Browser, Look, browser_is_there};
use test_support::RedisServer;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_follow_the_store_through_a_restart_of_redis() {
    if !browser_is_there() {
        return;
    }
    let redis = RedisServer::start().expect("a Redis");
    let world = World::on(&redis.url()).await;
    let (ann, ben) = tokio::join!(
        Browser::start(Look::default()),
        Browser::start(Look::default())
    );
    ann.open(&world.url).await;
    ben.open(&format!("{}jobs/invoices", world.url)).await;
    // Marks of the document: a page that is loaded again has none.
    for browser in [&ann, &ben] {
        browser.run("window.isTheSame = true").await;
    }
    world
        .control
        .pause("invoices")
        .note("seen by both")
        .await
        .expect("paused");
    ann.shows("none while paused").await;
    ben.shows("seen by both").await;

    redis.kill().expect("killed");
    ben.shows("The store is away").await;
    redis.restart().expect("restarted");
    // Redis has forgotten everything; the node says it again, pauses included.
    ben.shows("seen by both").await;
    world.control.resume("invoices").await.expect("resumed");
    ben.shows("Not paused").await;
    ann.until("the job has a next tick", async || {
        !ann.text().await.contains("none while paused")
    })
    .await;
    ann.shows("3 of 3 jobs").await;
    for browser in [&ann, &ben] {
        assert_eq!(
            browser.run("return window.isTheSame").await,
            true,
            "nobody has loaded the page again"
        );
    }
}

#[tokio::test]
async fn live_is_switched_off_and_a_form_under_the_hands_stays() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/invoices", world.url)).await;
    browser
        .click("details:has(form[action$='/pause']) > summary")
        .await;
    browser.type_into("#pause-note", "half a sen").await;
    world
        .control
        .run("invoices")
        .await
        .expect("asked for")
        .finished(std::time::Duration::from_secs(60))
        .await
        .expect("ended");
    // The page has learned of it, and leaves the form alone.
    browser.type_into("#pause-note", "tence").await;
    assert_eq!(
        browser
            .run("return document.querySelector('#pause-note').value")
            .await,
        "half a sentence"
    );
    assert_eq!(
        browser.count("#ledger tbody tr").await,
        0,
        "the page has not changed"
    );
    // Once the form is closed, the page shows what has happened meanwhile.
    browser
        .click("details:has(form[action$='/pause']) > summary")
        .await;
    browser
        .until("the run is shown", async || {
            browser.count("#ledger tbody tr").await == 1
        })
        .await;

    browser.click("[data-live-switch] button").await;
    browser.reload().await;
    browser.shows("Live: off").await;
    world
        .control
        .pause("invoices")
        .note("nobody follows")
        .await
        .expect("paused");
    world
        .control
        .run("echo")
        .await
        .expect("asked for")
        .finished(std::time::Duration::from_secs(60))
        .await
        .expect("ended");
    assert!(!browser.text().await.contains("nobody follows"));
    browser.click("[data-live-switch] button").await;
    browser.shows("nobody follows").await;
}
