//! All jobs.

use maud::{Markup, html};
use scheduled_one_control::JobSummary;
use scheduled_one_protocol::LedgerRecord;
use serde::Deserialize;

use super::health::{Health, is_end, tone_of, word_of};
use super::parts::{Tone, job_url, notice, state, time};
use crate::facts::JobFacts;
use crate::gate::Visitor;
use crate::text::{encoded, millis};

/// What the page of jobs is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    /// A part of the name.
    pub(crate) q: String,
    /// Only jobs with a problem.
    pub(crate) problems: String,
    /// Only jobs behind this name.
    pub(crate) after: String,
}

/// What the page of jobs shows.
pub(crate) struct JobsPage {
    pub(crate) search: Search,
    /// Jobs that the visitor may see.
    pub(crate) known: usize,
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
    pub(crate) facts: Option<JobFacts>,
}

pub(crate) fn jobs(visitor: &Visitor, page: &JobsPage) -> Markup {
    html! {
        h1 { "Jobs" }
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
                    true => p { "No job has “" (page.search.q) "” in its name." },
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
                label for="q" { "Part of the name" }
                input #q name="q" type="search" value=(page.search.q);
            }
            div {
                label {
                    input name="problems" type="checkbox" value="1" checked[!page.search.problems.is_empty()];
                    " Only problems"
                }
            }
            button type="submit" { "Search" }
        }
    }
}

fn table(visitor: &Visitor, page: &JobsPage) -> Markup {
    html! {
        div.scroll {
            table.stack {
                caption { (page.rows.len()) " of " (page.matching) " jobs" }
                thead {
                    tr {
                        th scope="col" { "Job" }
                        th scope="col" { "Health" }
                        th scope="col" { "Last" }
                        th scope="col" { "Next" }
                        th scope="col" { "Last 30, newest on the right" }
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
    let next = row
        .facts
        .as_ref()
        .and_then(|facts| facts.next_ticks.first());
    let next = next.and_then(|next| next.duration_since(std::time::UNIX_EPOCH).ok());
    let last = row.lines.iter().find(|line| is_end(line));
    html! {
        tr {
            th scope="row" {
                a href=(job_url(visitor, job)) { (job) }
                @if let Some(facts) = &row.facts { div.small.quiet { (facts.schedule) } }
            }
            td data-label="Health" { (state(row.health.tone, &row.health.word)) }
            td data-label="Last" {
                @match last {
                    Some(line) => { (word_of(line.outcome)) " " (time(line.ended_at_ms, now_ms)) }
                    None => span.quiet { "nothing yet" },
                }
            }
            td data-label="Next" {
                @match next {
                    _ if row.summary.is_paused => span.quiet { "none while paused" },
                    Some(next) => (time(millis(next), now_ms)),
                    None => span.quiet { "not known here" },
                }
            }
            td data-label="Last 30" { (strip(&row.lines)) }
            td.number data-label="Nodes" { (row.summary.nodes) }
        }
    }
}

/// The last outcomes, as bars of different heights; the words are for who cannot see them.
fn strip(lines: &[LedgerRecord]) -> Markup {
    let mut ends: Vec<&LedgerRecord> = lines.iter().filter(|line| is_end(line)).collect();
    ends.reverse();
    let bad = ends
        .iter()
        .filter(|line| tone_of(line.outcome) == Tone::Bad)
        .count();
    let ok = ends
        .iter()
        .filter(|line| tone_of(line.outcome) == Tone::Ok)
        .count();
    html! {
        ul.strip role="img" aria-label={ (ends.len()) " outcomes: " (ok) " ok, " (bad) " bad" } {
            @for line in ends {
                li class=(tone_of(line.outcome).class()) title=(word_of(line.outcome)) {}
            }
        }
    }
}

fn pages(visitor: &Visitor, page: &JobsPage) -> Markup {
    let of_search = format!(
        "{}/?q={}&problems={}",
        visitor.mount,
        encoded(&page.search.q),
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
