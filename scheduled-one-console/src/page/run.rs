//! One run, or all runs of one tick: the attempts, and what can be done.

use maud::{Markup, html};
use scheduled_one_control::OpenRun;
use scheduled_one_protocol::LedgerRecord;

use super::job::cancel;
use super::ledger::ledger;
use super::parts::{Tone, full_time, job_url, state};
use crate::gate::Visitor;
use crate::rights::Action;

/// What the page of a run shows.
pub(crate) struct RunPage<'a> {
    pub(crate) job: &'a str,
    /// The page is that of a tick, which may have several runs.
    pub(crate) follows_tick: bool,
    /// Its lines of the ledger, oldest first.
    pub(crate) lines: Vec<LedgerRecord>,
    pub(crate) open: Vec<OpenRun>,
    pub(crate) request_id: String,
    pub(crate) now_ms: i64,
}

pub(crate) fn run(visitor: &Visitor, page: &RunPage<'_>) -> Markup {
    let job = page.job;
    let tick = page.lines.first().map(|line| line.tick.ms());
    let tick = tick
        .or(page.open.first().map(|run| run.tick.ms()))
        .unwrap_or_default();
    let request = page
        .lines
        .first()
        .map(|line| line.request.as_str())
        .unwrap_or_default();
    html! {
        p { a href=(job_url(visitor, job)) { (job) } }
        h1 { (if page.follows_tick { "A tick of " } else { "A run of " }) (job) }
        section.card {
            dl.facts {
                dt { "Tick" } dd { (full_time(tick)) }
                @if !request.is_empty() { dt { "Request" } dd { code { (request) } } }
            }
            @for run in &page.open {
                @if let Some(token) = run.token {
                    p { (state(Tone::Running, "running")) " with the token " (token) }
                    (cancel(visitor, job, token.get()))
                } @else {
                    p { (state(Tone::Idle, "waiting")) }
                }
            }
            @if visitor.user.rights.allows(Action::Run, job, None) { (rerun(visitor, page, tick)) }
        }
        section.card {
            h2 { "Attempts" }
            @match page.lines.is_empty() {
                true => p { "None has ended yet." },
                false => (ledger(visitor, "Lines of the ledger, oldest first", &page.lines, page.now_ms)),
            }
        }
    }
}

fn rerun(visitor: &Visitor, page: &RunPage<'_>, tick: i64) -> Markup {
    html! {
        form.row method="post" action={ (job_url(visitor, page.job)) "/ticks/" (tick) "/rerun" }
            data-ask="Another run of this tick starts. Its function sees the same instant; what the first run did is done twice." {
            input type="hidden" name="id" value=(page.request_id);
            div { label for="rerun-note" { "Why" } input #rerun-note name="note" maxlength="1024"; }
            button type="submit" { "Run this tick again" }
        }
    }
}
