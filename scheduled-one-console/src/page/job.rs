//! One job.

use maud::{Markup, html};
use scheduled_one_control::{JobDescription, JobGlance, OpenRun};
use scheduled_one_protocol::LedgerRecord;

use super::control_card::control_card;
use super::ledger::ledger;
use super::parts::{Tone, full_time, job_url, notice, state, time};
use crate::facts::JobFacts;
use crate::gate::Visitor;
use crate::rights::Action;
use crate::text::millis;

/// What the page of a job shows.
pub(crate) struct JobPage {
    pub(crate) described: JobDescription,
    pub(crate) glance: JobGlance,
    pub(crate) open: Vec<OpenRun>,
    pub(crate) lines: Vec<LedgerRecord>,
    pub(crate) facts: Option<JobFacts>,
    /// The id of the request that the form for a run makes.
    pub(crate) request_id: String,
    /// The code of what was just done.
    pub(crate) done: String,
    pub(crate) now_ms: i64,
}

pub(crate) fn job(visitor: &Visitor, page: &JobPage) -> Markup {
    let job = &page.described.job;
    html! {
        p { a href={ (visitor.mount) "/" } { "All jobs" } }
        h1 { (job) }
        (done(&page.done))
        (drift(page))
        div.columns {
            (facts(page))
            (control_card(visitor, page))
        }
        (open_runs(visitor, page))
        section.card {
            h2 { "Ledger" }
            @match page.lines.is_empty() {
                true => p { "No tick was decided yet. The first one is here as soon as it is." },
                false => (ledger(visitor, "The newest lines, newest first", &page.lines, page.now_ms)),
            }
        }
    }
}

/// The notice after an action. The address has a code alone, so nobody can make a page say something by a link.
fn done(code: &str) -> Markup {
    let (tone, title, text) = match code {
        "paused" => (
            Tone::Ok,
            "Paused",
            "Nothing of the schedule starts. A run that was active goes on.",
        ),
        "paused-already" => (Tone::Idle, "It was paused already", "Nothing was changed."),
        "resumed" => (
            Tone::Ok,
            "Resumed",
            "The next tick runs as the schedule says.",
        ),
        "resumed-already" => (Tone::Idle, "It was not paused", "Nothing was changed."),
        "asked" => (
            Tone::Ok,
            "A run was asked for",
            "It starts within about a second, if the job is free.",
        ),
        "asked-already" => (
            Tone::Idle,
            "This run was asked for already",
            "The form was sent twice; one run starts.",
        ),
        "cancelling" => (
            Tone::Ok,
            "The run is being cancelled",
            "Its node learns of it with the next renewal.",
        ),
        _ => return html! {},
    };
    notice(tone, title, html! { p { (text) } })
}

fn drift(page: &JobPage) -> Markup {
    let nodes = &page.described.nodes;
    html! {
        @if nodes.is_empty() {
            (notice(Tone::Warn, "No living node has this job", html! {
                p { "Nothing of it runs. Start a release that has it; if it was removed for good, nothing is to be done." }
            }))
        } @else if nodes.len() > 1 {
            (notice(Tone::Warn, "Nodes have different schedules of this job", html! {
                p { "While a release is rolled out, this is expected; the schedule that was registered last decides. \
                     If it stays, compare the versions and the zone data of these nodes:" }
                ul {
                    @for (schedule, names) in nodes {
                        li { code { (schedule) } ": " (names.join(", ")) }
                    }
                }
            }))
        }
    }
}

fn facts(page: &JobPage) -> Markup {
    let nodes: Vec<&str> = page
        .described
        .nodes
        .values()
        .flatten()
        .map(String::as_str)
        .collect();
    let decided = page.glance.scheduled.marks.decided;
    html! {
        section.card {
            h2 { "What it is" }
            dl.facts {
                @if let Some(facts) = &page.facts {
                    @if let Some(description) = &facts.description { dt { "For" } dd { (description) } }
                    dt { "Schedule" } dd { (facts.schedule) }
                    dt { "Next ticks" }
                    dd {
                        @for tick in &facts.next_ticks {
                            @if let Ok(since) = tick.duration_since(std::time::UNIX_EPOCH) {
                                div { (full_time(millis(since))) " " span.quiet { (time(millis(since), page.now_ms)) } }
                            }
                        }
                    }
                } @else {
                    dt { "Schedule" }
                    dd.quiet { "Known to the nodes that have the job; this process has none." }
                }
                @if let Some(decided) = decided {
                    dt { "Decided up to" } dd { (full_time(decided.ms())) }
                }
                dt { "Nodes" } dd { (nodes.join(", ")) }
            }
        }
    }
}

fn open_runs(visitor: &Visitor, page: &JobPage) -> Markup {
    let job = &page.described.job;
    html! {
        section.card {
            h2 { "Running and waiting" }
            @if page.open.is_empty() {
                p.quiet { "Nothing runs, and nothing waits." }
            } @else {
                div.scroll {
                    table.stack {
                        caption { "Active runs, and those that wait for them" }
                        thead {
                            tr {
                                th scope="col" { "Tick" } th scope="col" { "State" }
                                th scope="col" { "Token" } th scope="col" { "Action" }
                            }
                        }
                        tbody {
                            @for run in &page.open { (open_run(visitor, job, run, page.now_ms)) }
                        }
                    }
                }
            }
        }
    }
}

fn open_run(visitor: &Visitor, job: &str, run: &OpenRun, now_ms: i64) -> Markup {
    let url = job_url(visitor, job);
    html! {
        tr {
            th scope="row" {
                (full_time(run.tick.ms())) " " span.quiet { (time(run.tick.ms(), now_ms)) }
                @if run.is_requested { div.small.quiet { "somebody asked for it" } }
                @if run.shard > 0 { div.small.quiet { "shard " (run.shard) } }
            }
            td data-label="State" {
                @match run.token {
                    Some(_) => (state(Tone::Running, "running")),
                    None => (state(Tone::Idle, "waiting")),
                }
            }
            td data-label="Token" {
                @if let Some(token) = run.token { a href={ (url) "/runs/" (token) } { (token) } }
            }
            td data-label="Action" {
                @if let Some(token) = run.token { (cancel(visitor, job, token.get())) }
            }
        }
    }
}

/// The form that cancels one run, for who may.
pub(crate) fn cancel(visitor: &Visitor, job: &str, token: u64) -> Markup {
    let url = job_url(visitor, job);
    html! {
        @if visitor.user.rights.allows(Action::Cancel, job, None) {
            form.row method="post" action={ (url) "/runs/" (token) "/cancel" }
                data-ask={ "The run with the token " (token) " is signalled, and dropped if it does not end by itself. \
                            The runs after it are not touched." } {
                div {
                    label for={ "note-" (token) } { "Why" }
                    input id={ "note-" (token) } name="note" maxlength="1024";
                }
                button.danger type="submit" { "Cancel this run" }
            }
        }
    }
}
