//! What a visitor sees instead of a page, and what to do.

use maud::{Markup, html};
use scheduled_one_control::Error;
use scheduled_one_protocol::Directive;

use super::parts::{Tone, full_time, job_url, notice, time};
use crate::failure::Failure;
use crate::gate::Visitor;

pub(crate) fn error(visitor: &Visitor, failure: &Failure, now_ms: i64) -> Markup {
    let text = html! {
        @match failure {
            Failure::Control(Error::Conflict { subject, now, .. }) => (conflict(visitor, subject, now, now_ms)),
            Failure::Control(Error::UnknownJob { job, nearest }) => {
                p { "No node has a job `" (job) "`, and nothing is stored of one." }
                @if !nearest.is_empty() {
                    p { "Did you mean " @for near in nearest { a href=(job_url(visitor, near)) { (near) } " " } "?" }
                }
            }
            failure => p { (failure) },
        }
        @if failure.is_passing() {
            p { "Jobs whose runs are active go on as long as their leases last; no run starts. See whether the server \
                 of the store runs, and whether this process reaches it. A page looks again by itself; after a \
                 form, look at the job first: it may be changed." }
        }
        p { a href={ (visitor.mount) "/" } { "All jobs" } }
    };
    html! { h1 { (failure.title()) } (notice(Tone::Bad, failure.title(), text)) }
}

/// What it is now, and who changed it.
fn conflict(visitor: &Visitor, subject: &str, now: &Directive, now_ms: i64) -> Markup {
    html! {
        @match &now.backfill {
            Some(_) => p { "Nothing was changed: a backfill of this job goes on. Wait for its end, or stop it." }
            None => p { "Nothing was changed: somebody changed this job after the page was loaded." }
        }
        dl.facts {
            dt { "It is now" }
            dd {
                @match now.pause.filter(|pause| pause.holds(now_ms)) {
                    Some(pause) => {
                        "paused"
                        @if let Some(until) = pause.until_ms { " until " (full_time(until)) }
                    }
                    None => { "not paused" }
                }
                ", version " (now.version)
            }
            @if let Some(own) = now.schedule.as_ref().filter(|own| !own.is_reset()) {
                dt { "Schedule" } dd { (own.text) " in " (own.zone) }
            }
            dt { "Changed" } dd { (time(now.changed_at_ms, now_ms)) }
            @if !now.by.is_empty() { dt { "By" } dd { (now.by) } }
            @if !now.note.is_empty() { dt { "Why" } dd { (now.note) } }
        }
        p { a href=(job_url(visitor, subject)) { "Look at it, and decide again" } }
    }
}
