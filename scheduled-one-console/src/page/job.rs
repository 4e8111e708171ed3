//! One job.

use maud::{Markup, html};
use scheduled_one_control::{Action, BackfillState, JobDescription, JobGlance, OpenRun};
use scheduled_one_protocol::LedgerRecord;

use super::calendar::{CalendarPage, calendar};
use super::control_card::control_card;
use super::health::Health;
use super::ledger::ledger;
use super::parts::{Tone, job_url, notice, state, time, time_in};
use super::plots::plots;
use super::policies::policies;
use super::reschedule::in_place;
use crate::gate::Visitor;
use crate::plan::all_ms;
use crate::text::encoded;

/// What the page of a job shows.
pub(crate) struct JobPage {
    pub(crate) described: JobDescription,
    pub(crate) glance: JobGlance,
    pub(crate) open: Vec<OpenRun>,
    pub(crate) backfill: Option<BackfillState>,
    /// The newest lines of its ledger, the newest first.
    pub(crate) lines: Vec<LedgerRecord>,
    /// How many of them are listed.
    pub(crate) listed: usize,
    pub(crate) health: Health,
    pub(crate) calendar: CalendarPage,
    /// How many ticks are in the pause so far, if the job is paused and that is known.
    pub(crate) paused_ticks: Option<usize>,
    /// The id of the request that the form for a run makes.
    pub(crate) request_id: String,
    /// The code of what was just done.
    pub(crate) done: String,
    pub(crate) now_ms: i64,
}

/// Lines that are listed if nobody asks for more, and if somebody does.
pub(crate) const FEW: usize = 25;
pub(crate) const MANY: usize = 500;

pub(crate) fn job(visitor: &Visitor, page: &JobPage) -> Markup {
    let job = &page.described.job;
    let cataloged = page.described.cataloged.as_ref();
    html! {
        p.crumbs { a href={ (visitor.mount) "/" } { "Jobs" } " / " }
        div.title {
            h1 { (job) }
            (page.health.show(page.now_ms))
            @if let Some(group) = cataloged.and_then(|job| job.group.as_ref()) {
                a.tag href={ (visitor.mount) "/?group=" (encoded(group)) } { (group) }
            }
        }
        @if let Some(description) = cataloged.and_then(|job| job.description.as_ref()) { p.lede { (description) } }
        (done(&page.done))
        (drift(page))
        div.columns {
            (schedule(page))
            (control_card(visitor, page))
        }
        (open_runs(visitor, page))
        (calendar(visitor, job, &page.calendar))
        (plots(&page.lines))
        (newest(visitor, page))
    }
}

fn newest(visitor: &Visitor, page: &JobPage) -> Markup {
    let lines = &page.lines[..page.lines.len().min(page.listed)];
    html! {
        section.card.flush #ledger {
            h2 { "Ledger" }
            @match lines.is_empty() {
                true => p { "No tick was decided yet. The first one is here as soon as it is." },
                false => (ledger(visitor, "The newest lines, newest first", lines, &page.calendar.zone, page.now_ms)),
            }
            @if page.lines.len() > page.listed {
                p.more { a href={ (job_url(visitor, &page.described.job)) "?lines=" (MANY) "#ledger" } {
                    "Show the newest " (page.lines.len().min(MANY))
                } }
            }
        }
    }
}

/// The notice after an action. The address has a code alone, so nobody can make a page say something by a link.
pub(super) fn done(code: &str) -> Markup {
    let (tone, title, text) = match code {
        "paused" => (
            Tone::Ok,
            "Paused",
            "Nothing of the schedule starts. A run that was active goes on.",
        ),
        "paused-all" => (
            Tone::Ok,
            "All jobs are paused",
            "Nothing of any schedule starts. Runs that were active go on.",
        ),
        "resumed-all" => (
            Tone::Ok,
            "All jobs are resumed",
            "Their next ticks run as the schedules say, but of jobs that are paused by themselves.",
        ),
        "paused-already" | "paused-already-all" => {
            (Tone::Idle, "It was paused already", "Nothing was changed.")
        }
        "resumed" => (
            Tone::Ok,
            "Resumed",
            "The next tick runs as the schedule says.",
        ),
        "resumed-already" | "resumed-already-all" => {
            (Tone::Idle, "It was not paused", "Nothing was changed.")
        }
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
        "backfilling" => (
            Tone::Ok,
            "The backfill has begun",
            "The nodes that have the job carry it out, a few ticks at a time.",
        ),
        "ended" => (
            Tone::Ok,
            "The backfill has ended",
            "What was asked for before runs.",
        ),
        "rescheduled" => (
            Tone::Ok,
            "The schedule is another one",
            "Nodes know of it within about a second. It has no tick up to now.",
        ),
        "reset" => (
            Tone::Ok,
            "The schedule in the code holds again",
            "Nodes know of it within about a second.",
        ),
        "scheduled-already" => (Tone::Idle, "It was so already", "Nothing was changed."),
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
        @if page.described.is_missing() {
            (notice(Tone::Warn, "No living node has this job", html! {
                p {
                    "Nothing of it runs. Start a release that has it; if it was removed for good, nothing is to be done."
                }
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

fn schedule(page: &JobPage) -> Markup {
    let nodes: Vec<&str> = page
        .described
        .nodes
        .values()
        .flatten()
        .map(String::as_str)
        .collect();
    let decided = page.glance.scheduled.marks.decided;
    let zone = &page.calendar.zone;
    html! {
        section.card {
            h2 { "Schedule" }
            @if let Some(cataloged) = &page.described.cataloged {
                p.schedule { (cataloged.schedule) }
                @if !cataloged.words.is_empty() { p.quiet { (cataloged.words) } }
                (in_place(&page.described, page.now_ms))
                (policies(cataloged))
            } @else {
                p.quiet { "Its nodes are of an older release and do not describe it." }
            }
            dl.facts {
                dt { "Next ticks" }
                dd { (next(page)) }
                @if let Some(decided) = decided {
                    dt { "Decided up to" } dd { (time_in(decided.ms(), zone)) }
                }
                dt { "Nodes" } dd {
                    @for node in nodes { span.tag { (node) } " " }
                    @if page.described.nodes.is_empty() && !page.described.is_missing() {
                        span.quiet { "not listed: nodes name the jobs that they share" }
                    }
                }
                @for (version, names) in page.described.versions.iter().filter(|(it, _)| !it.is_empty()) {
                    dt { "Version" } dd { code { (version) } " " span.quiet { (names.join(", ")) } }
                }
            }
        }
    }
}

fn next(page: &JobPage) -> Markup {
    html! {
        @match page.described.next.ticks() {
            [] => span.quiet { (page.described.next) },
            ticks => ol.ticks {
                @for tick in all_ms(ticks) {
                    li { (time_in(tick, &page.calendar.zone)) " " span.quiet { (time(tick, page.now_ms)) } }
                }
            },
        }
    }
}

fn open_runs(visitor: &Visitor, page: &JobPage) -> Markup {
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
                            @for run in &page.open { (open_run(visitor, page, run)) }
                        }
                    }
                }
            }
        }
    }
}

fn open_run(visitor: &Visitor, page: &JobPage, run: &OpenRun) -> Markup {
    let (job, now_ms) = (&page.described.job, page.now_ms);
    let url = job_url(visitor, job);
    html! {
        tr {
            th scope="row" {
                (time_in(run.tick.ms(), &page.calendar.zone)) " " span.quiet { (time(run.tick.ms(), now_ms)) }
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
                @if let Some(token) = run.token { (cancel(visitor, job, (run.shard, token.get()))) }
            }
        }
    }
}

/// The form that cancels one run, for who may.
pub(crate) fn cancel(visitor: &Visitor, job: &str, (shard, token): (u32, u64)) -> Markup {
    let url = job_url(visitor, job);
    html! {
        @if visitor.may(Action::Cancel, job) {
            form.row method="post" action={ (url) "/runs/" (token) "/cancel" }
                data-ask={ "The run with the token " (token) " is signalled, and dropped if it does not end by itself. \
                            The runs after it are not touched." } {
                input type="hidden" name="shard" value=(shard);
                div {
                    label for={ "note-" (shard) "-" (token) } { "Why" }
                    input id={ "note-" (shard) "-" (token) } name="note" maxlength="1024";
                }
                button.danger type="submit" { "Cancel this run" }
            }
        }
    }
}
