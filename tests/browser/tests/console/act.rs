//! Each action, with a pointer.

use browser_tests::{Browser, Look, browser_is_there};
use scheduled_one_protocol::Outcome;

use crate::world::World;

/// A pause with a note and an end, and the way back; both look different on the page.
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
        .click("details:has(form[action$='/pause']) > summary")
        .await;
    browser.type_into("#pause-note", "new supplier").await;
    browser
        .run("document.querySelector('#until').value = '2999-12-24T18:00'")
        .await;
    browser.click("form[action$='/pause'] button").await;
    browser.shows("Nothing of the schedule starts.").await;
    browser.shows("2999-12-24 18:00:00 UTC").await;
    let described = world.control.describe("invoices").await.expect("described");
    assert_eq!(
        (&*described.pauses[0].note, &*described.pauses[0].by),
        ("new supplier", "local")
    );

    browser
        .click("details:has(form[action$='/resume']) > summary")
        .await;
    browser.shows("No tick was in the pause so far.").await;
    browser.click("form[action$='/resume'] button").await;
    browser
        .shows("The next tick runs as the schedule says.")
        .await;
    let described = world.control.describe("invoices").await.expect("described");
    assert!(described.pauses.is_empty());
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_run_is_asked_for_with_parameters_and_again() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/echo", world.url)).await;
    browser
        .click("details:has(form[action$='/run']) > summary")
        .await;
    browser.type_into("#params", r#"{"customer": 7}"#).await;
    browser.type_into("#run-note", "asked by telephone").await;
    browser.click("form[action$='/run'] button").await;
    browser.shows("A run was asked for").await;
    // `echo` fails with what it was given. The page follows the store.
    browser.shows(r#"{"customer":7}"#).await;

    browser.click("#ledger tbody a").await;
    browser.shows("Run this tick again").await;
    browser.click("form[action$='/rerun'] button").await;
    browser.shows("what the first run did is done twice").await;
    browser.click("dialog button.main").await;
    browser.shows("A run was asked for").await;
    browser.shows("rerun, by local").await;
    let lines = world.control.ledger("echo", 10).await.expect("a ledger");
    assert_eq!(lines.len(), 2);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_run_is_cancelled_after_a_question() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    world.control.run("import").await.expect("asked for");
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/import", world.url)).await;
    // Whoever leaves it changes nothing.
    browser.click("form[action$='/cancel'] button").await;
    browser.click("dialog button:not(.main)").await;
    assert!(
        world
            .control
            .ledger("import", 1)
            .await
            .expect("a ledger")
            .is_empty()
    );
    browser
        .type_into(
            "form[action$='/cancel'] input:not([type='hidden'])",
            "wrong file",
        )
        .await;
    browser.click("form[action$='/cancel'] button").await;
    browser.shows("The runs after it are not touched.").await;
    browser.click("dialog button.main").await;
    browser.shows("The run is being cancelled").await;
    browser.shows("by local: wrong file").await;
    let line = &world.control.ledger("import", 1).await.expect("a ledger")[0];
    assert_eq!(line.outcome, Outcome::Cancelled);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn of_two_browsers_the_slower_one_sees_what_the_faster_one_did() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let (ann, ben) = tokio::join!(
        Browser::start(Look::default()),
        Browser::start(Look::default())
    );
    let job = format!("{}jobs/invoices", world.url);
    for (browser, note) in [(&ann, "ann's reason"), (&ben, "ben's reason")] {
        browser.open(&job).await;
        browser
            .click("details:has(form[action$='/pause']) > summary")
            .await;
        browser.type_into("#pause-note", note).await;
    }
    ann.click("form[action$='/pause'] button").await;
    ann.shows("Nothing of the schedule starts.").await;
    ben.click("form[action$='/pause'] button").await;
    ben.shows("Somebody else was faster").await;
    ben.shows("ann's reason").await;
    let described = world.control.describe("invoices").await.expect("described");
    assert_eq!(described.pauses[0].note, "ann's reason");
}

#[tokio::test]
async fn the_doctor_is_asked() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}cluster", world.url)).await;
    browser.click("form[action$='/cluster'] button").await;
    browser.shows("the embedded store is for one process").await;
}

#[tokio::test]
async fn jobs_are_searched_for_and_the_theme_is_kept() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&world.url).await;
    browser.type_into("#q", "voice\u{e007}").await;
    browser.shows("1 of 1 jobs").await;
    browser.click("[data-theme-switch] button").await;
    browser.open(&format!("{}timeline", world.url)).await;
    assert_eq!(
        browser
            .run("return document.documentElement.dataset.theme")
            .await,
        "dark"
    );
    let color = browser
        .run("return getComputedStyle(document.body).backgroundColor")
        .await;
    assert_eq!(color, "rgb(15, 18, 22)");
}

#[tokio::test(start_paused = true)]
async fn a_backfill_is_planned_looked_at_and_begun() {
    if !browser_is_there() {
        return;
    }
    let world = World::showcase().await;
    let browser = Browser::start(Look::default()).await;
    browser
        .open(&format!("{}jobs/charge_cards", world.url))
        .await;
    browser
        .click("details:has(form[action$='/backfill']) > summary")
        .await;
    let fill = "document.querySelector('#from').value = '2026-01-01T10:45';
        document.querySelector('#to').value = '2026-01-01T11:45';
        document.querySelector('#only').value = 'failed';";
    browser.run(fill).await;
    browser
        .type_into("#backfill-note", "the bank is back")
        .await;
    browser.click("form[action$='/backfill'] button").await;
    browser.shows("2 ticks run once more").await;
    browser.shows("2026-01-01 11:30:00 UTC").await;
    browser.click("form[action$='/backfill'] button").await;
    browser.shows("The backfill has begun").await;
    browser
        .open(&format!("{}trail?action=backfill", world.url))
        .await;
    browser.shows("the bank is back").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// The page follows how far it has come, and it ends after a question.
#[tokio::test(start_paused = true)]
async fn a_backfill_is_ended_after_a_question() {
    if !browser_is_there() {
        return;
    }
    let world = World::showcase().await;
    let browser = Browser::start(Look::default()).await;
    let job = format!("{}jobs/charge_cards", world.url);
    browser.open(&job).await;
    world.begin_long_backfill().await;
    browser.shows("of 20 ticks asked for").await;
    browser.click("form[action$='/backfill/stop'] button").await;
    browser.shows("Nothing more is asked for.").await;
    browser.click("dialog button.main").await;
    browser.shows("The backfill has ended").await;
    // What was asked for before runs; of the rest, nothing.
    let trail = world.control.trail().action("stop backfill").await;
    let ended = &trail.expect("a trail").entries[0];
    assert!(ended.subject.starts_with("charge_cards"), "{ended:?}");
    assert_eq!(ended.actor, "local");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_schedule_is_changed_and_given_back() {
    if !browser_is_there() {
        return;
    }
    let world = World::new().await;
    let browser = Browser::start(Look::default()).await;
    browser.open(&format!("{}jobs/invoices", world.url)).await;
    browser
        .click("details:has(form[action$='/reschedule']) > summary")
        .await;
    browser.type_into("#schedule", "0 30 4 * * *").await;
    browser
        .type_into("#reschedule-note", "after the backup")
        .await;
    browser.click("form[action$='/reschedule'] button").await;
    browser.shows("Its next ticks:").await;
    browser.shows("04:30:00 UTC").await;
    browser.click("form[action$='/reschedule'] button").await;
    browser.shows("The schedule is another one").await;
    browser.shows("In its place: 0 30 4 * * *").await;

    browser
        .click("details:has(form[action$='/reset']) > summary")
        .await;
    browser.click("form[action$='/reset'] button").await;
    browser.shows("Its next ticks:").await;
    browser.click("form[action$='/reset'] button").await;
    browser.shows("The schedule in the code holds again").await;
    let described = world.control.describe("invoices").await.expect("described");
    assert!(described.overridden.is_none_or(|it| !it.is_in_force()));
    browser.open(&format!("{}trail", world.url)).await;
    browser.shows("after the backup").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
