//! With the keyboard alone, from the first page to what was done.

use browser_tests::{Browser, Look, browser_is_there};

use crate::world::World;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const RIGHT: &str = "\u{e014}";

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

/// Opens the form of an action.
async fn open_form(browser: &Browser, action: &str) {
    let summary = format!("details:has(form[action$='/{action}']) > summary");
    tab_to(browser, &summary).await;
    browser.press(&[ENTER]).await;
}

/// Presses the button of the form of an action.
async fn press_button(browser: &Browser, action: &str) {
    tab_to(browser, &format!("form[action$='/{action}'] button")).await;
    browser.press(&[ENTER]).await;
}

/// Types a day of January 2026 into its field, and a time such as `1045AM`: part by part, as the language of the
/// browser has them.
async fn type_instant(browser: &Browser, css: &str, (day, time): (&str, &str)) {
    tab_to(browser, css).await;
    type_text(browser, &format!("01{day}2026")).await;
    browser.press(&[RIGHT]).await; // a year has up to six digits
    type_text(browser, time).await;
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

#[tokio::test]
async fn a_schedule_is_changed_and_given_back() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/invoices", world.url)).await;
    open_form(&browser, "reschedule").await;
    tab_to(&browser, "#schedule").await;
    type_text(&browser, "0 30 4 * * *").await;
    tab_to(&browser, "#tz").await;
    type_text(&browser, "Europe/Berlin").await;
    tab_to(&browser, "#reschedule-note").await;
    type_text(&browser, "after the backup").await;
    press_button(&browser, "reschedule").await;
    browser.shows("Its next ticks:").await;
    let described = world.control.describe("invoices").await.expect("described");
    assert!(
        described.overridden.is_none(),
        "the ticks were not seen yet"
    );
    press_button(&browser, "reschedule").await;
    browser.shows("The schedule is another one").await;
    browser.shows("In its place: 0 30 4 * * *").await;
    let described = world.control.describe("invoices").await.expect("described");
    let wanted = described.overridden.expect("another schedule").wanted;
    assert_eq!(
        (&*wanted.text, &*wanted.zone),
        ("0 30 4 * * *", "Europe/Berlin")
    );

    open_form(&browser, "reset").await;
    tab_to(&browser, "#reset-note").await;
    type_text(&browser, "the backup is faster").await;
    press_button(&browser, "reset").await;
    browser.shows("Its next ticks:").await;
    // The way back changes nothing.
    tab_to(&browser, "a.button[href$='/jobs/invoices']").await;
    browser.press(&[ENTER]).await;
    browser.shows("In its place: 0 30 4 * * *").await;
    open_form(&browser, "reset").await;
    press_button(&browser, "reset").await;
    browser.shows("Its next ticks:").await;
    press_button(&browser, "reset").await;
    browser.shows("The schedule in the code holds again").await;
    let described = world.control.describe("invoices").await.expect("described");
    assert!(described.overridden.is_none_or(|it| !it.is_in_force()));
    browser.open(&format!("{}trail", world.url)).await;
    browser.shows("after the backup").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_backfill_is_planned_begun_and_ended() {
    if !browser_is_there() {
        return;
    }
    let world = World::showcase().await;
    let browser = Browser::start(Look::default()).await;
    let job = format!("{}jobs/charge_cards", world.url);
    browser.open(&job).await;
    open_form(&browser, "backfill").await;
    type_instant(&browser, "#from", ("01", "1045AM")).await;
    type_instant(&browser, "#to", ("01", "1145AM")).await;
    let range = "return ['from', 'to'].map((id) => document.getElementById(id).value).join(' ')";
    assert_eq!(
        browser.run(range).await,
        "2026-01-01T10:45 2026-01-01T11:45"
    );
    tab_to(&browser, "#only").await;
    type_text(&browser, "that ran").await;
    let only = browser.run("return document.querySelector('#only').value");
    assert_eq!(only.await, "failed");
    tab_to(&browser, "#backfill-note").await;
    type_text(&browser, "the bank is back").await;
    press_button(&browser, "backfill").await;
    browser.shows("2 ticks run once more").await;
    browser.shows("2026-01-01 11:30:00 UTC").await;
    press_button(&browser, "backfill").await;
    browser.shows("The backfill has begun").await;
    browser
        .open(&format!("{}trail?action=backfill", world.url))
        .await;
    browser.shows("the bank is back").await;

    browser
        .open(&format!("{}jobs/charge_cards", world.url))
        .await;
    let is_over = async || browser.count("form[action$='/backfill']").await == 1;
    browser.until("the backfill is over", is_over).await;
    world.begin_long_backfill().await;
    browser.shows("of 20 ticks asked for").await;
    press_button(&browser, "backfill/stop").await;
    browser.shows("Nothing more is asked for.").await;
    tab_to(&browser, "dialog button.main").await;
    browser.press(&[ENTER]).await;
    browser.shows("The backfill has ended").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
