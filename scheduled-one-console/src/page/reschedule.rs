//! Another schedule in place of that in the code: the forms, and what the change would come to.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use scheduled_one_control::{JobDescription, SchedulePreview};
use serde::Deserialize;

use super::parts::{Tone, job_url, notice, time, time_in};
use crate::gate::Visitor;
use crate::plan::all_ms;

/// What the forms have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ScheduleWish {
    pub(crate) schedule: String,
    pub(crate) tz: String,
    pub(crate) note: String,
    /// The version that the visitor saw.
    pub(crate) version: Option<u64>,
    /// Whether the ticks were seen.
    pub(crate) go: String,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScheduleChange {
    Reschedule,
    Reset,
}

impl ScheduleChange {
    /// The last segment of the form's address.
    fn path(self) -> &'static str {
        match self {
            ScheduleChange::Reschedule => "reschedule",
            ScheduleChange::Reset => "reset",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            ScheduleChange::Reschedule => "Another schedule",
            ScheduleChange::Reset => "The schedule of the code",
        }
    }
}

/// The part of the control card.
pub(super) fn forms(visitor: &Visitor, described: &JobDescription) -> Markup {
    let url = job_url(visitor, &described.job);
    let version = described.version;
    let overridden = described.overridden.as_ref();
    html! {
        details.action {
            summary { "Reschedule" }
            form method="post" action={ (url) "/reschedule" } {
                p { "Another schedule holds in place of that in the code, until a release changes the one in the code. \
                     The ticks are shown before anything changes." }
                input type="hidden" name="version" value=(version);
                p {
                    label for="schedule" { "A cron expression, or a period: 0 30 4 * * *, every 5m" }
                    input #schedule name="schedule" required spellcheck="false";
                }
                p {
                    label for="tz" { "Time zone of the cron expression; empty: that of the code" }
                    input #tz name="tz" placeholder="Europe/Berlin";
                }
                p { label for="reschedule-note" { "Why" } input #reschedule-note name="note" maxlength="1024"; }
                button.main type="submit" { "Show the ticks" }
            }
        }
        @if overridden.is_some_and(|it| !it.wanted.is_reset()) {
            details.action {
                summary { "Reset the schedule" }
                form method="post" action={ (url) "/reset" } {
                    p { "The schedule in the code holds again. The ticks are shown before anything changes." }
                    input type="hidden" name="version" value=(version);
                    p { label for="reset-note" { "Why" } input #reset-note name="note" maxlength="1024"; }
                    button.main type="submit" { "Show the ticks" }
                }
            }
        }
    }
}

/// What holds in place of the schedule in the code.
pub(super) fn in_place(described: &JobDescription, now_ms: i64) -> Markup {
    let overridden = described.overridden.as_ref();
    html! {
        @if let Some(other) = overridden.filter(|it| !it.wanted.is_reset()) {
            @match other.is_void {
                false => p {
                    b { "In its place: " }
                    code { (other.wanted.text) } " (" (other.wanted.zone) "), since "
                    (time(other.wanted.since_ms, now_ms))
                    @if !other.wanted.by.is_empty() { ", by " (other.wanted.by) } "."
                },
                true => p.quiet {
                    "Somebody wanted " code { (other.wanted.text) } " in place of an earlier schedule in the code. \
                     The code has changed since, and decides."
                },
            }
        }
    }
}

/// The next ticks, and the form that carries the change out.
pub(crate) fn preview(
    visitor: &Visitor,
    job: &str,
    change: ScheduleChange,
    wish: &ScheduleWish,
    preview: &SchedulePreview,
    zone: &TimeZone,
) -> Markup {
    let url = job_url(visitor, job);
    let next = all_ms(&preview.next);
    let fields = [
        ("schedule", &wish.schedule),
        ("tz", &wish.tz),
        ("note", &wish.note),
    ];
    html! {
        p.crumbs { a href={ (visitor.mount) "/" } { "Jobs" } " / " a href=(url) { (job) } " / " }
        h1 { (change.title()) }
        @if preview.already {
            (notice(Tone::Idle, "It holds already", html! {
                p { code { (preview.schedule) } }
                p { a href=(url) { "Back to the job" } }
            }))
        } @else {
            section.card {
                p { code { (preview.schedule) } }
                @match next.is_empty() {
                    true => p { b { "It has no tick to come: nothing of the schedule would run any more." } },
                    false => {
                        p { "Its next ticks:" }
                        ol.ticks { @for tick in &next { li { (time_in(*tick, zone)) } } }
                    }
                }
                form.actions method="post" action={ (url) "/" (change.path()) } {
                    @for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
                        input type="hidden" name=(name) value=(value);
                    }
                    input type="hidden" name="version" value=(preview.version);
                    input type="hidden" name="go" value="1";
                    button.main type="submit" { "Change it" }
                    a.button href=(url) { "Leave it" }
                }
            }
        }
    }
}
