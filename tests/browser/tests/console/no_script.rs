//! Without JavaScript: forms and links alone.

use browser_tests::{Browser, Look, browser_is_there};

use crate::world::World;

#[tokio::test]
async fn every_action_works() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    world.control.run("import").await.expect("asked for");
    let browser = Browser::start(Look {
        has_scripts: false,
        ..Look::default()
    })
    .await;
    browser.open(&world.url).await;
    assert_eq!(
        browser.count("[data-theme-switch] button").await,
        0,
        "scripts do not run"
    );
    browser.type_into("#q", "voice\u{e007}").await;
    browser.shows("1 of 1 jobs").await;
    browser.click("tbody a[href$='/jobs/invoices']").await;

    browser
        .click("details:has(form[action$='/pause']) > summary")
        .await;
    browser.type_into("#pause-note", "without a script").await;
    browser.click("form[action$='/pause'] button").await;
    browser.shows("without a script").await;
    browser
        .click("details:has(form[action$='/resume']) > summary")
        .await;
    browser.click("form[action$='/resume'] button").await;
    browser.shows("The next tick runs").await;

    browser
        .click("details:has(form[action$='/run']) > summary")
        .await;
    browser.click("form[action$='/run'] button").await;
    browser.shows("A run was asked for").await;
    browser
        .until("it is in the ledger", async || {
            browser.reload().await;
            browser.count("#ledger tbody a").await > 0
        })
        .await;
    browser.click("#ledger tbody a").await;
    browser.click("form[action$='/rerun'] button").await;
    browser.shows("A run was asked for").await;

    browser.open(&format!("{}jobs/import", world.url)).await;
    browser.click("form[action$='/cancel'] button").await;
    browser.shows("The run is being cancelled").await;
    browser
        .until("it is cancelled", async || {
            browser.reload().await;
            browser.text().await.contains("cancelled")
        })
        .await;
}
