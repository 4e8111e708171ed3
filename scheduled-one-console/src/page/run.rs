//! One run, or all runs of one tick: the attempts, and what can be done.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use scheduled_one_control::audit::{AuditedTick, TickStatus};
use scheduled_one_control::{Action, OpenRun};
use scheduled_one_protocol::LedgerRecord;

use super::attempts::time_line;
use super::calendar::{tone, word};
use super::job::cancel;
use super::ledger::ledger;
use super::parts::{Tone, job_url, state, time, time_in};
use crate::gate::Visitor;
use crate::run_logs::RunLog;
use crate::text::in_zone;

/// What the page of a run shows.
pub(crate) struct RunPage<'a> {
    pub(crate) job: &'a str,
    /// The page is that of a tick, which may have several runs.
    pub(crate) follows_tick: bool,
    /// Its tick, ms.
    pub(crate) tick: i64,
    /// Each node runs the job by itself.
    pub(crate) is_of_every_node: bool,
    /// What is known of the tick in each shard that has no outcome of it.
    pub(crate) undecided: Vec<AuditedTick>,
    /// Its lines of the ledger, oldest first.
    pub(crate) lines: Vec<LedgerRecord>,
    pub(crate) open: Vec<OpenRun>,
    pub(crate) request_id: String,
    /// What it logged, if that is kept; each attempt that another node took over has a log of its own.
    pub(crate) logs: Option<Logged>,
    /// The zone of the job.
    pub(crate) zone: TimeZone,
    pub(crate) now_ms: i64,
}

/// What a run logged, as far as this process knows.
pub(crate) struct Logged {
    pub(crate) logs: Vec<RunLog>,
    /// The nodes of the attempts of which nothing is kept here.
    pub(crate) elsewhere: BTreeSet<String>,
}

pub(crate) fn run(visitor: &Visitor, page: &RunPage<'_>) -> Markup {
    let (job, tick) = (page.job, page.tick);
    let request = page
        .lines
        .first()
        .map(|line| line.request.as_str())
        .unwrap_or_default();
    let tokens = page.lines.iter().map(|line| line.token);
    let token = tokens
        .chain(page.open.iter().map(|run| run.token))
        .flatten()
        .last();
    html! {
        p.crumbs { a href={ (visitor.mount) "/" } { "Jobs" } " / " a href=(job_url(visitor, job)) { (job) } " / " }
        h1 { (if page.follows_tick { "Tick " } else { "Run of " }) (in_zone(tick, &page.zone)) }
        section.card {
            dl.facts {
                dt { "Tick" } dd { (time_in(tick, &page.zone)) " " span.quiet { (time(tick, page.now_ms)) } }
                @if let Some(token) = token { dt { "Token" } dd { code { (token) } } }
                @if !request.is_empty() { dt { "Request" } dd { code { (request) } } }
            }
            (time_line(tick, &page.lines, &page.open, page.now_ms))
            (undecided(page))
            @for run in &page.open {
                @if let Some(token) = run.token {
                    p { (state(Tone::Running, "running")) " with the token " (token) }
                    (cancel(visitor, job, (run.shard, token.get())))
                } @else {
                    p { (state(Tone::Idle, "waiting")) }
                }
            }
            @if visitor.may(Action::Run, job) && page.can_run_again() { (rerun(visitor, page)) }
        }
        section.card.flush {
            h2 { "Attempts" }
            @if !page.lines.is_empty() {
                (ledger(visitor, "Lines of the ledger, oldest first", &page.lines, &page.zone, page.now_ms))
            } @else if page.open.is_empty() {
                p { "The ledger has no line of this tick." }
            } @else {
                p { "None has ended yet." }
            }
        }
        (log(visitor, page))
    }
}

impl RunPage<'_> {
    /// Not if the schedule is about to run the tick by itself, or if no single run can be asked for.
    fn can_run_again(&self) -> bool {
        let is_due = |tick: &AuditedTick| tick.status == TickStatus::Due;
        !self.is_of_every_node && !self.undecided.iter().any(is_due)
    }
}

/// What is known of a tick without an outcome.
fn undecided(page: &RunPage<'_>) -> Markup {
    html! {
        @for tick in &page.undecided {
            p {
                (state(tone(tick.status), word(tick.status)))
                @if tick.shard > 0 { " in shard " (tick.shard) }
                ". " (meaning(tick.status))
            }
        }
    }
}

fn meaning(status: TickStatus) -> &'static str {
    match status {
        TickStatus::Running | TickStatus::Waiting => "It ends by itself.",
        TickStatus::Due => "Its time has come, and it is not decided yet.",
        TickStatus::Paused => {
            "It is in a pause of the job. It is skipped when the pause is over, unless it is caught up with."
        }
        TickStatus::NoLongerKept => "It is older than the lines that the ledger keeps.",
        _ => {
            "It was decided, and what became of it is not known: its line was lost with the memory of the store."
        }
    }
}

/// What the run logged.
fn log(visitor: &Visitor, page: &RunPage<'_>) -> Markup {
    let Some(Logged { logs, elsewhere }) = &page.logs else {
        return html! {};
    };
    let nodes: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
    html! {
        section.card {
            h2 { "Log" }
            @if !visitor.may(Action::SeeParameters, page.job) {
                p.quiet { "You may not see what it logged." }
            } @else {
                @if !nodes.is_empty() {
                    p.quiet {
                        "Nothing is kept here of what it logged on " b { (nodes.join(", ")) } ". "
                        "A log is in the memory of the process that ran it, and on the page of a console there, "
                        "as long as that process lives and newer runs leave it room."
                    }
                } @else if logs.is_empty() {
                    p.quiet { "Nothing is logged yet." }
                }
                @for log in logs {
                    pre.log tabindex="0" {
                        (log.head)
                        @if log.left_out > 0 { "… " (log.left_out) " lines are left out …\n" }
                        @for line in &log.tail { (line) "\n" }
                    }
                }
            }
        }
    }
}

fn rerun(visitor: &Visitor, page: &RunPage<'_>) -> Markup {
    html! {
        form.row method="post" action={ (job_url(visitor, page.job)) "/ticks/" (page.tick) "/rerun" }
            data-ask="Another run of this tick starts. Its function sees the same instant; \
                      what the first run did is done twice." {
            input type="hidden" name="id" value=(page.request_id);
            div { label for="rerun-note" { "Why again" } input #rerun-note name="note" maxlength="1024"; }
            button type="submit" { "Run this tick again" }
        }
    }
}
