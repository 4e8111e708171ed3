//! With the keyboard alone, from the first page to what was done.

use browser_tests::{Browser, Look, browser_is_there};

use crate::world::World;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Presses Tab until the focus is on this element, and is seen there.
async fn tab_to(browser: &Browser, css: &str) {
    for _ in 0..80 {
        browser.press(&[TAB]).await;
        let is_there = format!("return document.activeElement.matches({css:?})");
        if browser.run(&is_there).await == true {
            let outline = browser
                .run("return getComputedStyle(document.activeElement).outlineStyle")
                .await;
            assert_ne!(outline, "none", "the focus on {css} cannot be seen");
            return;
        }
    }
    panic!("Tab does not reach {css}");
}

async fn type_text(browser: &Browser, text: &str) {
    let keys: Vec<String> = text.chars().map(String::from).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    browser.press(&keys).await;
}

#[tokio::test]
async fn a_job_is_found_paused_and_resumed() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&world.url).await;
    tab_to(&browser, ".skip").await;
    browser.press(&[ENTER]).await;
    tab_to(&browser, "#q").await;
    type_text(&browser, "invoi").await;
    browser.press(&[ENTER]).await;
    browser.shows("1 of 1 jobs").await;
    tab_to(&browser, "tbody a[href$='/jobs/invoices']").await;
    browser.press(&[ENTER]).await;
    browser.shows("Sends the invoices").await;
    tab_to(&browser, "details:has(form[action$='/pause']) > summary").await;
    browser.press(&[ENTER]).await;
    tab_to(&browser, "#pause-note").await;
    type_text(&browser, "by hand").await;
    tab_to(&browser, "form[action$='/pause'] button").await;
    browser.press(&[ENTER]).await;
    browser.shows("Nothing of the schedule starts.").await;
    tab_to(&browser, "details:has(form[action$='/resume']) > summary").await;
    browser.press(&[ENTER]).await;
    tab_to(&browser, "form[action$='/resume'] button").await;
    browser.press(&[ENTER]).await;
    browser
        .shows("The next tick runs as the schedule says.")
        .await;
}

#[tokio::test]
async fn a_question_is_answered_and_left() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    world.control.run("import").await.expect("asked for");
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/import", world.url)).await;
    tab_to(&browser, "form[action$='/cancel'] button").await;
    browser.press(&[ENTER]).await;
    browser
        .until("the dialog asks", async || {
            browser.count("dialog[open]").await == 1
        })
        .await;
    // The focus is on the answer that changes nothing; Escape is the same.
    let focused = browser
        .run("return document.activeElement.textContent")
        .await;
    assert_eq!(focused, "Leave it");
    browser.press(&[ESCAPE]).await;
    browser
        .until("the dialog is closed", async || {
            browser.count("dialog").await == 0
        })
        .await;
    let focused = browser
        .run("return document.activeElement.textContent")
        .await;
    assert_eq!(focused, "Cancel this run", "the focus is where it was");
    browser.press(&[ENTER]).await;
    browser
        .until("the dialog asks", async || {
            browser.count("dialog[open]").await == 1
        })
        .await;
    tab_to(&browser, "dialog button.main").await;
    browser.press(&[ENTER]).await;
    browser.shows("The run is being cancelled").await;
}

#[tokio::test]
async fn a_run_is_asked_for_and_run_again() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/echo", world.url)).await;
    tab_to(&browser, "details:has(form[action$='/run']) > summary").await;
    browser.press(&[ENTER]).await;
    tab_to(&browser, "#params").await;
    type_text(&browser, "7").await;
    tab_to(&browser, "form[action$='/run'] button").await;
    browser.press(&[ENTER]).await;
    browser.shows("A run was asked for").await;
    browser
        .until("it is in the ledger", async || {
            browser.count("#ledger tbody a").await > 0
        })
        .await;
    tab_to(&browser, "#ledger tbody a").await;
    browser.press(&[ENTER]).await;
    browser.shows("Run this tick again").await;
    tab_to(&browser, "form[action$='/rerun'] button").await;
    browser.press(&[ENTER]).await;
    browser.shows("what the first run did is done twice").await;
    tab_to(&browser, "dialog button.main").await;
    browser.press(&[ENTER]).await;
    browser.shows("A run was asked for").await;
    browser.shows("rerun, by local").await;
    let lines = world.control.ledger("echo", 10).await.expect("a ledger");
    assert_eq!(lines.len(), 2);
}
