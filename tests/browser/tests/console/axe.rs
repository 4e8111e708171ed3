//! What axe finds on the pages: nothing serious.

use browser_tests::{Browser, Look, axe, browser_is_there};
use serde_json::Value;
use test_support::RedisServer;

use crate::world::World;

/// What of it somebody cannot use at all, or hardly.
fn serious(results: &Value) -> Vec<String> {
    let violations = results["violations"].as_array().expect("results");
    let is_serious = |it: &&Value| matches!(it["impact"].as_str(), Some("serious" | "critical"));
    let words = |it: &Value| format!("{}: {} ({})", it["id"], it["help"], it["nodes"][0]["html"]);
    violations.iter().filter(is_serious).map(words).collect()
}

/// What axe finds serious on the page that is shown, in both themes and widths. Returns how much it has looked at.
async fn look_at(browser: &Browser, axe: &str, page: &str) -> usize {
    let mut passed = 0;
    // What is folded is looked at as well.
    browser
        .run("document.querySelectorAll('details').forEach((it) => { it.open = true })")
        .await;
    browser.run(axe).await;
    for (width, is_dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
        browser
            .look(Look {
                width,
                is_dark,
                ..Look::default()
            })
            .await;
        let results = browser.wait_for_script("axe.run(document)").await;
        assert_eq!(serious(&results), [""; 0], "{page} {width} dark: {is_dark}");
        passed += results["passes"].as_array().map_or(0, Vec::len);
    }
    browser.look(Look::default()).await;
    passed
}

#[tokio::test(start_paused = true)]
async fn nothing_serious_is_found() {
    let Some(axe) = browser_is_there().then(axe).flatten() else {
        return;
    };
    let world = World::showcase().await;
    let lines = world.control.ledger("charge_cards", 100).await;
    let lines = lines.expect("a ledger");
    let ran = lines.iter().find(|line| line.token.is_some());
    let ran = ran.expect("a run");
    let token = ran.token.expect("it ran");
    let browser = Browser::start(Look::default()).await;
    let mut passed = 0;
    let pages = [
        "",
        "?q=nosuch",
        "jobs/charge_cards",
        "jobs/expire_carts",
        "jobs/nosuch",
        &format!("jobs/charge_cards/runs/{token}"),
        &format!("jobs/charge_cards/ticks/{}", ran.tick),
        "timeline",
        "trail",
        "alerts",
        "cluster",
    ];
    for path in pages {
        browser.open(&format!("{}{path}", world.url)).await;
        passed += look_at(&browser, &axe, path).await;
    }
    assert!(passed > 500, "axe has looked at {passed} things only");
}

/// Pages that a form leads to.
#[tokio::test(start_paused = true)]
async fn nothing_serious_is_found_in_what_is_looked_at_before_a_change() {
    let Some(axe) = browser_is_there().then(axe).flatten() else {
        return;
    };
    let world = World::showcase().await;
    let browser = Browser::start(Look::default()).await;
    let fill_backfill = "document.querySelector('#from').value = '2026-01-01T10:45';
        document.querySelector('#to').value = '2026-01-01T11:45';
        document.querySelector('#only').value = 'failed';";
    let fill_schedule = "document.querySelector('#schedule').value = 'every 45m'";
    for (action, fill, shows) in [
        ("backfill", fill_backfill, "2 ticks run once more"),
        ("reschedule", fill_schedule, "Its next ticks:"),
    ] {
        browser
            .open(&format!("{}jobs/charge_cards", world.url))
            .await;
        browser
            .click(&format!("details:has(form[action$='/{action}']) > summary"))
            .await;
        browser.run(fill).await;
        browser
            .click(&format!("form[action$='/{action}'] button"))
            .await;
        browser.shows(shows).await;
        look_at(&browser, &axe, action).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_serious_is_found_in_a_question_and_without_a_store() {
    let Some(axe) = browser_is_there().then(axe).flatten() else {
        return;
    };
    let redis = RedisServer::start().expect("a Redis");
    let world = World::on(&redis.url()).await;
    world.control.run("import").await.expect("asked for");
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/import", world.url)).await;
    browser.click("form[action$='/cancel'] button").await;
    browser
        .until("the dialog asks", async || {
            browser.count("dialog[open]").await == 1
        })
        .await;
    look_at(&browser, &axe, "the dialog").await;

    redis.kill().expect("killed");
    browser.open(&world.url).await;
    browser.shows("The store is away").await;
    look_at(&browser, &axe, "the store is away").await;
}
