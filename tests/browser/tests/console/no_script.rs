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

/// Opens a form, and sends it.
async fn send(browser: &Browser, action: &str) {
    browser
        .click(&format!("details:has(form[action$='/{action}']) > summary"))
        .await;
    browser
        .click(&format!("form[action$='/{action}'] button"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn schedules_and_backfills_work() {
    if !browser_is_there() {
        return;
    }
    let world = World::showcase().await;
    let browser = Browser::start(Look {
        has_scripts: false,
        ..Look::default()
    })
    .await;
    let job = format!("{}jobs/charge_cards", world.url);
    browser.open(&job).await;
    let fill = "document.querySelector('#from').value = '2026-01-01T10:45';
        document.querySelector('#to').value = '2026-01-01T11:45';
        document.querySelector('#only').value = 'failed';";
    browser.run(fill).await;
    send(&browser, "backfill").await;
    browser.shows("2 ticks run once more").await;
    browser.click("form[action$='/backfill'] button").await;
    browser.shows("The backfill has begun").await;
    browser
        .until("it is over", async || {
            browser.open(&job).await;
            browser.count("form[action$='/backfill/stop']").await == 0
        })
        .await;
    world.begin_long_backfill().await;
    browser.open(&job).await;
    browser.click("form[action$='/backfill/stop'] button").await;
    browser.shows("The backfill has ended").await;

    // Last: a schedule that was changed has no ticks from before.
    browser.open(&job).await;
    browser
        .run("document.querySelector('#schedule').value = 'every 45m'")
        .await;
    send(&browser, "reschedule").await;
    browser.shows("Its next ticks:").await;
    browser.click("form[action$='/reschedule'] button").await;
    browser.shows("The schedule is another one").await;
    send(&browser, "reset").await;
    browser.shows("Its next ticks:").await;
    browser.click("form[action$='/reset'] button").await;
    browser.shows("The schedule in the code holds again").await;
}
