//! Runs for ticks of the past: the form, the plan that is looked at first, and how far it has come.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use scheduled_one_control::{BackfillOnly, BackfillState};
use serde::Deserialize;

use super::job::JobPage;
use super::parts::{Tone, job_url, notice, state, time_in};
use crate::gate::Visitor;

/// What the form of a backfill has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BackfillWish {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) only: String,
    pub(crate) note: String,
    /// Whether the plan was seen.
    pub(crate) go: String,
}

/// Ticks of a plan that are listed.
const LISTED: usize = 20;

/// What each choice means.
fn words(only: BackfillOnly) -> &'static str {
    match only {
        BackfillOnly::Missed => "that were missed",
        BackfillOnly::Lost => "whose run was lost with its node",
        BackfillOnly::Failed => "that ran and did not end well",
        BackfillOnly::Never => "of which no run is known",
        _ => "all that are over",
    }
}

/// The part of the control card.
pub(super) fn form(visitor: &Visitor, page: &JobPage) -> Markup {
    let job = &page.described.job;
    html! {
        @if let Some(state) = page.backfill.as_ref().filter(|state| !state.is_over()) {
            (progress(visitor, job, state))
        } @else {
            details.action {
                summary { "Backfill" }
                form method="post" action={ (job_url(visitor, job)) "/backfill" } {
                    p { "Ticks of the past run once more, each once, and those of the schedule go first. \
                         The plan is shown before anything runs." }
                    p { label for="from" { "From, in UTC" } input #from name="from" type="datetime-local" required; }
                    p { label for="to" { "To, in UTC, left out" } input #to name="to" type="datetime-local" required; }
                    p {
                        label for="only" { "Ticks" }
                        select #only name="only" {
                            @for only in BackfillOnly::EACH { option value=(only.as_str()) { (words(only)) } }
                        }
                    }
                    p { label for="backfill-note" { "Why" } input #backfill-note name="note" maxlength="1024"; }
                    button.main type="submit" { "Show the plan" }
                }
            }
        }
    }
}

fn progress(visitor: &Visitor, job: &str, backfill: &BackfillState) -> Markup {
    html! {
        // Open from the start, so it is no form that somebody fills in.
        details.action open data-shown {
            summary { "Backfill" }
            form method="post" action={ (job_url(visitor, job)) "/backfill/stop" }
                data-ask="Nothing more is asked for. What was asked for before runs." {
                p {
                    @match backfill.is_paused {
                        true => (state(Tone::Idle, "paused")),
                        false => (state(Tone::Running, "going on")),
                    }
                    " " (backfill.asked) " of " (backfill.total) " ticks asked for, "
                    (backfill.open) " waiting or running"
                    @if !backfill.by.is_empty() { ", by " (backfill.by) } "."
                }
                @if !backfill.note.is_empty() { blockquote { (backfill.note) } }
                button.danger type="submit" { "End the backfill" }
            }
        }
    }
}

/// The plan, and the form that carries it out.
pub(crate) fn plan(
    visitor: &Visitor,
    job: &str,
    wish: &BackfillWish,
    ticks: &[i64],
    zone: &TimeZone,
) -> Markup {
    let fields = [
        ("from", &wish.from),
        ("to", &wish.to),
        ("only", &wish.only),
        ("note", &wish.note),
    ];
    html! {
        p.crumbs { a href={ (visitor.mount) "/" } { "Jobs" } " / " a href=(job_url(visitor, job)) { (job) } " / " }
        h1 { "Plan of a backfill" }
        @if ticks.is_empty() {
            (notice(Tone::Idle, "There is nothing to run", html! {
                p { "The range has no such tick." }
                p { a href=(job_url(visitor, job)) { "Back to the job" } }
            }))
        } @else {
            section.card {
                p { b { (ticks.len()) } @if ticks.len() == 1 { " tick runs" } @else { " ticks run" } " once more:" }
                ol.ticks {
                    @for tick in ticks.iter().take(LISTED) { li { (time_in(*tick, zone)) } }
                    @if ticks.len() > LISTED { li.quiet { "and " (ticks.len() - LISTED) " more" } }
                }
                form.actions method="post" action={ (job_url(visitor, job)) "/backfill" } {
                    @for (name, value) in fields {
                        input type="hidden" name=(name) value=(value);
                    }
                    input type="hidden" name="go" value="1";
                    button.main type="submit" { "Run them" }
                    a.button href=(job_url(visitor, job)) { "Leave it" }
                }
            }
        }
    }
}
