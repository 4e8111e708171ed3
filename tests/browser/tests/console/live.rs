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
    world.knows_of_pause("invoices").await;

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

#[tokio::test]
async fn a_new_row_comes_by_itself_and_is_followed() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    let noted = "window.streams = []; window.EventSource = class extends EventSource { \
        constructor(url) { super(url); window.streams.push(url); } }";
    let script = serde_json::json!({ "source": noted });
    browser
        .command("Page.addScriptToEvaluateOnNewDocument", script)
        .await;
    browser.open(&format!("{}?problems=1", world.url)).await;
    browser.shows("None of the 3 jobs").await;
    let asked = world.control.run("echo").await.expect("asked for");
    let minute = std::time::Duration::from_secs(60);
    asked.finished(minute).await.expect("ended");
    browser.shows("failed").await;
    let streams = browser.run("return window.streams.join(' ')").await;
    let streams = streams.as_str().expect("addresses");
    let jobs: Vec<&str> = streams
        .split(' ')
        .filter_map(|stream| stream.split(['=', '&']).nth(1))
        .collect();
    assert_eq!(jobs, ["", "echo"]);
}

#[tokio::test]
async fn a_notice_of_what_was_done_does_not_stay() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    let page = format!("{}jobs/invoices", world.url);
    browser
        .open(&format!("{page}?done=paused&range=week"))
        .await;
    assert!(
        browser
            .text()
            .await
            .contains("A run that was active goes on.")
    );
    assert_eq!(browser.url().await, format!("{page}?range=week"));
    browser
        .until("the notice is gone", async || {
            !browser
                .text()
                .await
                .contains("A run that was active goes on.")
        })
        .await;
}

#[tokio::test]
async fn how_long_ago_goes_on_while_nothing_happens() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let asked = world.control.run("invoices").await.expect("asked for");
    let minute = std::time::Duration::from_secs(60);
    asked.finished(minute).await.expect("ended");
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/invoices", world.url)).await;
    browser.click("[data-live-switch] button").await;
    let script = "return document.querySelector('#ledger time[data-relative]').textContent";
    let first = browser.run(script).await;
    browser
        .until("the time has gone on", async || {
            let now = browser.run(script).await;
            now != first && now.as_str().is_some_and(|text| text.ends_with(" ago"))
        })
        .await;
}

#[tokio::test]
async fn the_focus_stays_where_it_was_when_the_page_follows() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&world.url).await;
    let link = "tbody a[href$='/jobs/invoices']";
    browser
        .run(&format!("document.querySelector(\"{link}\").focus()"))
        .await;
    world.control.pause("import").await.expect("paused");
    browser.shows("none while paused").await;
    let focused = format!("return document.activeElement.matches(\"{link}\")");
    assert_eq!(browser.run(&focused).await, true);

    // The button of a run that is over has no successor: the content has the focus, not the whole document.
    world.control.resume("import").await.expect("resumed");
    world.control.run("import").await.expect("asked for");
    browser.open(&format!("{}jobs/import", world.url)).await;
    browser
        .until("the run can be cancelled", async || {
            browser.count("form[action$='/cancel'] button").await == 1
        })
        .await;
    browser
        .run("document.querySelector(\"form[action$='/cancel'] button\").focus()")
        .await;
    let open = world.control.open_runs("import").await.expect("runs");
    let token = open[0].token.expect("it runs").get();
    world
        .control
        .cancel("import", token)
        .await
        .expect("cancelled");
    browser
        .until("the run is over", async || {
            browser.count("form[action$='/cancel'] button").await == 0
        })
        .await;
    let focused = browser.run("return document.activeElement.id").await;
    assert_eq!(focused, "content");
}

/// Where a browser keeps nothing, a page can do all that it can elsewhere.
#[tokio::test]
async fn without_storage_the_page_asks_and_follows() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    let blocked = "Object.defineProperty(window, 'localStorage', \
        { get() { throw new DOMException('blocked', 'SecurityError') } })";
    let script = serde_json::json!({ "source": blocked });
    browser
        .command("Page.addScriptToEvaluateOnNewDocument", script)
        .await;
    world.control.run("import").await.expect("asked for");
    browser.open(&format!("{}jobs/import", world.url)).await;
    browser.shows("Live: on").await;
    browser.click("[data-theme-switch] button").await;
    browser.click("form[action$='/cancel'] button").await;
    browser.click("dialog button.main").await;
    browser.shows("The run is being cancelled").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
