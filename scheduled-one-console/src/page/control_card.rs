//! What operators want of a job, and the forms that change it.

use maud::{Markup, html};

use super::backfill;
use super::job::JobPage;
use super::parts::{Tone, job_url, state, time, time_in};
use super::reschedule;
use scheduled_one_control::Action;

use crate::gate::Visitor;
use crate::plan::all_ms;
use crate::text::encoded;

pub(crate) fn control_card(visitor: &Visitor, page: &JobPage) -> Markup {
    let job = &page.described.job;
    let may = |action| visitor.may(action, job);
    html! {
        section.card {
            h2 { "Control" }
            (pauses(visitor, page))
            @if may(Action::Pause) {
                @if page.described.pauses.iter().any(|pause| !pause.of_all) { (resume(visitor, page)) }
                (pause(visitor, page))
            }
            @if may(Action::Run) { (run(visitor, page)) }
            @if may(Action::Backfill) { (backfill::form(visitor, page)) }
            @if may(Action::Reschedule) { (reschedule::forms(visitor, &page.described)) }
            @if ![Action::Pause, Action::Run, Action::Backfill, Action::Reschedule].into_iter().any(may) {
                p.quiet { "You may look at this job, and not change it." }
            }
        }
    }
}

fn pauses(visitor: &Visitor, page: &JobPage) -> Markup {
    let described = &page.described;
    html! {
        @if described.pauses.is_empty() { p { (state(Tone::Ok, "Not paused")) } }
        @for pause in &described.pauses {
            p {
                (state(Tone::Idle, if pause.of_all { "Paused with all jobs" } else { "Paused" }))
                " since " (time(pause.pause.since_ms, page.now_ms))
                @match pause.pause.until_ms {
                    Some(until) => { ", until " (time_in(until, &page.calendar.zone)) }
                    None => { ", until somebody resumes it" }
                }
                @if !pause.by.is_empty() { ", by " (pause.by) }
                "."
            }
            @if !pause.note.is_empty() { blockquote { (pause.note) } }
            @if pause.of_all {
                p.small { "It is ended for all jobs at once: " a href={ (visitor.mount) "/" } { "Resume all jobs" } "." }
            }
        }
        p.small.quiet {
            "Version " (described.version) ". "
            a href={ (visitor.mount) "/trail?job=" (encoded(&described.job)) } { "Who did what" }
        }
    }
}

fn pause(visitor: &Visitor, page: &JobPage) -> Markup {
    let is_paused = page.described.pauses.iter().any(|pause| !pause.of_all);
    let what = if is_paused {
        "Change the pause"
    } else {
        "Pause"
    };
    html! {
        details.action {
            summary { (what) }
            form method="post" action={ (job_url(visitor, &page.described.job)) "/pause" } {
                p { "Nothing of the schedule starts, on no node. A run that is active goes on. Ticks of the pause are \
                     recorded as skipped." }
                (version(page))
                p { label for="pause-note" { "Why" } input #pause-note name="note" maxlength="1024"; }
                p {
                    label for="until" { "Until, in UTC; empty: until somebody resumes it" }
                    input #until name="until" type="datetime-local";
                }
                button.main type="submit" { (what) }
            }
        }
    }
}

fn resume(visitor: &Visitor, page: &JobPage) -> Markup {
    let next = all_ms(page.described.next.if_resumed());
    let next = next.first();
    html! {
        details.action {
            summary { "Resume" }
            form method="post" action={ (job_url(visitor, &page.described.job)) "/resume" } {
                p {
                    "The schedule starts runs again"
                    @if let Some(next) = next { ", the next one " (time(*next, page.now_ms)) }
                    ". "
                    @match page.paused_ticks {
                        Some(0) => { "No tick was in the pause so far." }
                        Some(ticks) => {
                            b { (ticks) }
                            " ticks were in the pause so far: they are skipped, unless they are caught up with."
                        }
                        None => { "The ticks of the pause are skipped, unless they are caught up with." }
                    }
                }
                (version(page))
                p {
                    label {
                        input name="catch_up" type="checkbox" value="1";
                        " Catch up, as the job's policy for misfires says"
                    }
                }
                p { label for="resume-note" { "Why" } input #resume-note name="note" maxlength="1024"; }
                button.main type="submit" { "Resume" }
            }
        }
    }
}

fn run(visitor: &Visitor, page: &JobPage) -> Markup {
    html! {
        details.action {
            summary { "Run now" }
            form method="post" action={ (job_url(visitor, &page.described.job)) "/run" } {
                p { "One run starts in addition to the schedule, also while the job is paused. The schedule goes on as \
                     if there were none." }
                input type="hidden" name="id" value=(page.request_id);
                p { label for="run-note" { "What for" } input #run-note name="note" maxlength="1024"; }
                p {
                    label for="params" { "Parameters as JSON; empty: none" }
                    textarea #params name="params" spellcheck="false" {}
                }
                p {
                    label for="on_busy" { "While a run of the schedule is active" }
                    select #on_busy name="on_busy" {
                        option value="" { "as the job's policy says" }
                        option value="wait" { "wait for it" }
                        option value="skip" { "do not run" }
                        option value="cancel" { "cancel it first" }
                    }
                }
                button.main type="submit" { "Run now" }
            }
        }
    }
}

/// The version that the visitor saw: who was faster is not overwritten.
fn version(page: &JobPage) -> Markup {
    html! { input type="hidden" name="version" value=(page.described.version); }
}
