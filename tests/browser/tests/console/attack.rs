//! What a hostile job, store or site tries, with a browser that would do it.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use browser_tests::{Browser, Look, browser_is_there};
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::World;

const MARKUP: &str = "<img src=x onerror=\"window.broken=1\"><svg onload=\"window.broken=1\"></svg>\
    <script>window.broken=1</script>'\"><a href=\"javascript:window.broken=1\" autofocus onfocus=\"window.broken=1\">x</a>";

#[tokio::test]
async fn texts_of_jobs_errors_notes_and_addresses_run_nothing() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let run = world
        .control
        .run("echo")
        .params(&json!(MARKUP))
        .by("<img src=x onerror=window.broken=1>")
        .note(MARKUP)
        .await
        .expect("asked for");
    run.finished(std::time::Duration::from_secs(60))
        .await
        .expect("ended");
    world
        .control
        .pause("invoices")
        .note(MARKUP)
        .by("<img src=x onerror=window.broken=1>")
        .await
        .expect("paused");
    let browser = Browser::start(Look::default()).await;
    let token = world.control.ledger("echo", 1).await.expect("a ledger")[0]
        .token
        .expect("it ran");
    let encoded: String = MARKUP.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let paths = [
        String::new(),
        "jobs/echo".to_owned(),
        format!("jobs/echo/runs/{token}"),
        "jobs/invoices".to_owned(),
        format!("?q={encoded}"),
        format!("?after={encoded}&group={encoded}"),
        format!("jobs/{encoded}"),
        format!("jobs/invoices?done={encoded}&range={encoded}"),
        format!("jobs/invoices#{encoded}"),
        "timeline".to_owned(),
        "trail".to_owned(),
        format!("trail?job={encoded}&actor={encoded}&before={encoded}"),
        "alerts".to_owned(),
        "cluster".to_owned(),
    ];
    for path in paths {
        browser.open(&format!("{}{path}", world.url)).await;
        let found = browser.run("return [window.broken ?? 0, document.querySelectorAll('img, a[href^=javascript]').length]").await;
        assert_eq!(found, json!([0, 0]), "{path}");
    }
    // The policy is what stops a script if a template forgets to escape: an inline one does not run.
    browser.open(&world.url).await;
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken=1\">')").await;
    browser
        .until("the policy refuses it", async || {
            browser
                .complaints()
                .await
                .iter()
                .any(|line| line.contains("Content Security Policy"))
        })
        .await;
    assert_eq!(browser.run("return window.broken ?? 0").await, 0);
}

/// A site of somebody else, whose page sends a form to the console as soon as it is open.
async fn hostile_site(target: String) -> u16 {
    let page = format!(
        "<form method=post action=\"{target}\"><input name=note value=evil></form>\
         <script>document.forms[0].submit()</script>"
    );
    let app = Router::new().route("/", get(move || async move { Html(page) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
    port
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let port = hostile_site(format!("{}jobs/invoices/pause", world.url)).await;
    let browser = Browser::start_with(
        Look::default(),
        &["--host-resolver-rules=MAP evil.example 127.0.0.1"],
    )
    .await;
    // Another site, and the same site on another port.
    for site in ["evil.example", "127.0.0.1"] {
        browser.open(&format!("http://{site}:{port}/")).await;
        browser.shows("another site").await;
        assert!(
            browser.url().await.starts_with(&world.url),
            "the form was sent"
        );
    }
    let described = world.control.describe("invoices").await.expect("described");
    assert_eq!(described.version, 0, "nothing was changed");
}

/// A name that its owner points at this machine as soon as the page is open.
#[tokio::test]
async fn a_name_that_points_here_sees_nothing() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start_with(
        Look::default(),
        &["--host-resolver-rules=MAP evil.example 127.0.0.1"],
    )
    .await;
    let address: SocketAddr = world.address;
    browser
        .open(&format!("http://evil.example:{}/console/", address.port()))
        .await;
    let text = browser.text().await;
    assert!(
        text.contains("answers only to") && !text.contains("invoices"),
        "{text}"
    );
    let fetched = browser
        .wait_for_script("fetch('/console/api/v1/jobs').then((it) => it.status)")
        .await;
    assert_eq!(fetched, 403);
}
