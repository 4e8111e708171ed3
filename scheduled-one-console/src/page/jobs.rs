//! All jobs.

use std::collections::BTreeSet;

use maud::{Markup, html};
use scheduled_one_control::{JobGlance, JobSummary, PauseOf};
use scheduled_one_protocol::LedgerRecord;
use serde::Deserialize;

use super::all_jobs::all_jobs;
use super::health::{Health, is_end, word_of};
use super::job::done;
use super::parts::{Tone, job_url, notice, time};
use super::plots::strip;
use crate::gate::Visitor;
use crate::plan::Plan;
use crate::text::encoded;

/// What the page of jobs is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    /// A part of the name.
    pub(crate) q: String,
    /// Only jobs of this group.
    pub(crate) group: String,
    /// Only jobs with a problem.
    pub(crate) problems: String,
    /// Only jobs behind this name.
    pub(crate) after: String,
    /// What was just done: the code of a notice.
    pub(crate) done: String,
}

/// What the page of jobs shows.
pub(crate) struct JobsPage {
    pub(crate) search: Search,
    /// Jobs that the visitor may see, and those of them that are paused.
    pub(crate) known: usize,
    pub(crate) paused: usize,
    /// The pause of all jobs.
    pub(crate) pause_of_all: Option<PauseOf>,
    /// The groups that these jobs are in.
    pub(crate) groups: BTreeSet<String>,
    /// Those of them whose name has what was searched for.
    pub(crate) matching: usize,
    /// Those whose ledgers were read for this page.
    pub(crate) looked_at: usize,
    pub(crate) rows: Vec<Row>,
    /// The name behind which the next page begins.
    pub(crate) next: Option<String>,
    pub(crate) now_ms: i64,
}

/// A job on the page.
pub(crate) struct Row {
    pub(crate) summary: JobSummary,
    pub(crate) health: Health,
    pub(crate) lines: Vec<LedgerRecord>,
    pub(crate) plan: Plan,
    pub(crate) glance: JobGlance,
    /// Why the store refuses to show its record or its ledger.
    pub(crate) refused: Option<String>,
}

pub(crate) fn jobs(visitor: &Visitor, page: &JobsPage) -> Markup {
    html! {
        h1 { "Jobs" }
        p.lede {
            (page.known) @if page.known == 1 { " job" } @else { " jobs" }
            @if page.paused > 0 { ", " (page.paused) " paused" }
        }
        (done(&page.search.done))
        (all_jobs(visitor, page.pause_of_all.as_ref(), page.now_ms))
        (search(visitor, page))
        @if page.known == 0 {
            (notice(Tone::Idle, "No jobs yet", html! {
                p {
                    "No living node has a job that you may see. Start a scheduler with this store and this namespace; \
                     its jobs are here a second later. If one runs, compare its namespace with that of this console."
                }
            }))
        } @else if page.rows.is_empty() {
            (notice(Tone::Ok, "Nothing to show", html! {
                @match page.search.problems.is_empty() {
                    true => p {
                        "No job "
                        @if !page.search.group.is_empty() { "of the group “" (page.search.group) "” " }
                        "has “" (page.search.q) "” in its name."
                    },
                    false => p { "None of the " (page.looked_at) " jobs that were looked at has a problem." },
                }
                p { a href={ (visitor.mount) "/" } { "Show all jobs" } }
            }))
        } @else {
            (table(visitor, page))
        }
        (pages(visitor, page))
    }
}

fn search(visitor: &Visitor, page: &JobsPage) -> Markup {
    html! {
        form.row method="get" action={ (visitor.mount) "/" } role="search" {
            div {
                label for="q" { "Name" }
                input #q name="q" type="search" value=(page.search.q) placeholder="a part of it";
            }
            @if !page.groups.is_empty() {
                div {
                    label for="group" { "Group" }
                    select #group name="group" {
                        option value="" { "all" }
                        @for group in &page.groups {
                            option value=(group) selected[*group == page.search.group] { (group) }
                        }
                    }
                }
            }
            label.check {
                input name="problems" type="checkbox" value="1" checked[!page.search.problems.is_empty()];
                "Only problems"
            }
            button type="submit" { "Search" }
        }
    }
}

fn table(visitor: &Visitor, page: &JobsPage) -> Markup {
    html! {
        section.card.flush {
            table.stack {
                caption { (page.rows.len()) " of " (page.matching) " jobs" }
                thead {
                    tr {
                        th scope="col" { "Job" }
                        th scope="col" { "Health" }
                        th scope="col" { "Last 30" }
                        th scope="col" { "Last" }
                        th scope="col" { "Next" }
                        th.number scope="col" { "Nodes" }
                    }
                }
                tbody {
                    @for row in &page.rows { (table_row(visitor, row, page.now_ms)) }
                }
            }
        }
    }
}

fn table_row(visitor: &Visitor, row: &Row, now_ms: i64) -> Markup {
    let job = &row.summary.job;
    let last = row.lines.iter().find(|line| is_end(line));
    let cataloged = row.summary.cataloged.as_ref();
    html! {
        tr {
            th scope="row" {
                a href=(job_url(visitor, job)) { (job) }
                @if let Some(group) = cataloged.and_then(|job| job.group.as_ref()) {
                    " " a.tag href={ (visitor.mount) "/?group=" (encoded(group)) } { (group) }
                }
                @if let Some(cataloged) = cataloged { div.small.quiet { (cataloged.schedule) } }
            }
            td data-label="Health" {
                (row.health.show(now_ms))
                @if let Some(why) = &row.refused { div.small.quiet { (why) } }
            }
            td data-label="Last 30" { (strip(&row.lines)) }
            td data-label="Last" {
                @match last {
                    Some(line) => { span.nowrap { (word_of(line.outcome)) " " (time(line.ended_at_ms, now_ms)) } }
                    None => span.quiet { "nothing yet" },
                }
            }
            td data-label="Next" {
                @match (&row.plan, row.plan.ticks().first()) {
                    _ if row.summary.is_paused => span.quiet { "none while paused" },
                    (_, Some(next)) => (time(*next, now_ms)),
                    (Plan::Ticks(_), None) => span.quiet { "none" },
                    (Plan::Unknown(why), None) => span.quiet title=(why) { "not known here" },
                }
            }
            td.number data-label="Nodes" {
                @match row.summary.nodes == 0 && !row.summary.is_missing() {
                    true => span.quiet title="nodes name the jobs that they share" { "–" },
                    false => (row.summary.nodes),
                }
            }
        }
    }
}

fn pages(visitor: &Visitor, page: &JobsPage) -> Markup {
    let of_search = format!(
        "{}/?q={}&group={}&problems={}",
        visitor.mount,
        encoded(&page.search.q),
        encoded(&page.search.group),
        encoded(&page.search.problems)
    );
    html! {
        @if page.next.is_some() || !page.search.after.is_empty() {
            nav.pages aria-label="Pages" {
                @if !page.search.after.is_empty() { a.button href=(of_search) { "First page" } }
                @if let Some(next) = &page.next {
                    a.button href={ (of_search) "&after=" (encoded(next)) } { "Next page" }
                    span.quiet { "behind " (next) }
                }
            }
        }
    }
}
