//! The pause of all jobs, and the forms that begin and end it.

use maud::{Markup, html};
use scheduled_one_control::{Action, PauseOf};
use scheduled_one_protocol::ALL_JOBS;

use super::parts::{Tone, full_time, job_url, notice, time};
use crate::gate::Visitor;

/// What is in force for all jobs, and the form that changes it, for who may.
pub(super) fn all_jobs(visitor: &Visitor, pause: Option<&PauseOf>, now_ms: i64) -> Markup {
    let may_change = visitor.may(Action::Pause, ALL_JOBS);
    match pause {
        Some(pause) => paused(visitor, pause, may_change, now_ms),
        None if may_change => form_to_pause(visitor),
        None => html! {},
    }
}

fn paused(visitor: &Visitor, paused: &PauseOf, may_change: bool, now_ms: i64) -> Markup {
    let text = html! {
        p {
            "Nothing of a schedule starts, since " (time(paused.pause.since_ms, now_ms))
            @match paused.pause.until_ms {
                Some(until_ms) => { ", until " (full_time(until_ms)) }
                None => { ", until somebody resumes all jobs" }
            }
            @if !paused.by.is_empty() { ", by " (paused.by) }
            "."
        }
        @if !paused.note.is_empty() { blockquote { (paused.note) } }
        @match may_change {
            true => (form_to_resume(visitor)),
            false => p.quiet { "You may not resume all jobs: ask somebody who may pause each of them." },
        }
    };
    notice(Tone::Idle, "All jobs are paused", text)
}

fn form_to_resume(visitor: &Visitor) -> Markup {
    html! {
        form.row method="post" action={ (job_url(visitor, ALL_JOBS)) "/resume" }
            data-ask="The schedules of all jobs start runs again, but of those that are paused by themselves. The ticks \
                      of the pause are skipped, unless they are caught up with." {
            div { label for="resume-all-note" { "Why" } input #resume-all-note name="note" maxlength="1024"; }
            label.check {
                input name="catch_up" type="checkbox" value="1";
                "Catch up, as the policies for misfires say"
            }
            button type="submit" { "Resume all jobs" }
        }
    }
}

fn form_to_pause(visitor: &Visitor) -> Markup {
    html! {
        details.action {
            summary { "Pause all jobs" }
            form method="post" action={ (job_url(visitor, ALL_JOBS)) "/pause" }
                data-ask="Nothing of any schedule starts, on no node, also of jobs that are added later. Runs that are \
                          active go on." {
                p { "Nothing of any schedule starts, on no node. Runs that are active go on. Ticks of the pause are \
                     recorded as skipped." }
                p { label for="pause-all-note" { "Why" } input #pause-all-note name="note" maxlength="1024"; }
                p {
                    label for="until" { "Until, in UTC; empty: until somebody resumes all jobs" }
                    input #until name="until" type="datetime-local";
                }
                button.main type="submit" { "Pause all jobs" }
            }
        }
    }
}
