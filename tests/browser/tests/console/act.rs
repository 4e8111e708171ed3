//! Each action, with a pointer.

use browser_tests::{Browser, Look, browser_is_there};

use crate::world::World;

#[tokio::test]
async fn a_job_is_paused_and_resumed() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&world.url).await;
    browser.shows("3 of 3 jobs").await;
    browser.click("a[href$='/jobs/invoices']").await;
    browser
        .click("form[action$='/pause'] ~ *, details:has(form[action$='/pause']) > summary")
        .await;
    browser.type_into("#pause-note", "new supplier").await;
    browser.click("form[action$='/pause'] button").await;
    browser.shows("new supplier").await;
    let described = world.control.describe("invoices").await.expect("described");
    assert_eq!(described.pauses[0].note, "new supplier");
    assert_eq!(browser.complaints().await, [""; 0]);
}
