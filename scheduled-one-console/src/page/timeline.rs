//! The next 24 hours of all jobs, and where they meet.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::parts::{Tone, duration, full_time, job_url, notice, time};
use crate::gate::Visitor;
use crate::text::{encoded, shown};

const MINUTE_MS: i64 = 60_000;
/// What a lane shows: from a full hour on, 24 hours and what has gone by of that hour.
const HOURS: i64 = 25;
/// The width of a lane: a unit for each minute.
const MINUTES: i64 = HOURS * 60;
/// A job that starts more often than this is a band.
pub(crate) const DENSE: usize = 300;
/// Instants at which several jobs start that are listed.
const LISTED: usize = 20;

/// A job on the time line.
pub(crate) struct Lane {
    pub(crate) job: String,
    pub(crate) schedule: String,
    pub(crate) is_paused: bool,
    /// Its ticks in the range, ms; nothing if they cannot be computed here.
    pub(crate) ticks: Option<Vec<i64>>,
    /// How long its runs usually take, ms.
    pub(crate) usual_ms: Option<i64>,
    /// Why the store refuses to read its ledger.
    pub(crate) refused: Option<String>,
}

/// What the page shows.
pub(crate) struct TimelinePage {
    /// Where lanes begin, a full hour.
    pub(crate) from_ms: i64,
    /// 24 hours from now.
    pub(crate) to_ms: i64,
    pub(crate) now_ms: i64,
    pub(crate) lanes: Vec<Lane>,
    /// Instants with the jobs that start then, of all jobs that were looked at, those with most jobs first.
    pub(crate) collisions: Vec<(i64, Vec<String>)>,
    /// How many jobs were looked at for them, and how many there are.
    pub(crate) looked_at: usize,
    pub(crate) known: usize,
    /// The name behind which the next page begins.
    pub(crate) next: Option<String>,
}

pub(crate) fn timeline(visitor: &Visitor, page: &TimelinePage) -> Markup {
    html! {
        h1 { "Timeline" }
        p.lede { "The next 24 hours of all jobs, in UTC. A bar is as long as the job's runs usually are." }
        @if page.lanes.is_empty() {
            (notice(Tone::Idle, "No jobs yet", html! { p { "No living node has a job that you may see." } }))
        } @else {
            section.card.flush { (lanes(visitor, page)) }
            @if let Some(next) = &page.next {
                nav.pages aria-label="Pages" {
                    a.button href={ (visitor.mount) "/timeline?after=" (encoded(next)) } { "Next page" }
                }
            }
            (collisions(visitor, page))
        }
    }
}

fn lanes(visitor: &Visitor, page: &TimelinePage) -> Markup {
    const EVERY: i64 = 5;
    html! {
        table.lanes {
            caption.hidden { "Jobs with their ticks" }
            thead {
                tr {
                    th scope="col" { "Job" }
                    th scope="col" {
                        span.hidden { "Ticks" }
                        div.hours aria-hidden="true" {
                            @for hour in 0..HOURS / EVERY {
                                span { (shown(page.from_ms + hour * EVERY * 60 * MINUTE_MS, &TimeZone::UTC, "%H:%M")) }
                            }
                        }
                    }
                }
            }
            tbody {
                @for lane in &page.lanes {
                    tr {
                        th scope="row" {
                            a href=(job_url(visitor, &lane.job)) { (lane.job) }
                            div.small.quiet { (lane.schedule) }
                            @if let Some(why) = &lane.refused { div.small { "Its ledger cannot be read: " (why) } }
                        }
                        td { (one(lane, page)) }
                    }
                }
            }
        }
    }
}

fn one(lane: &Lane, page: &TimelinePage) -> Markup {
    let Some(ticks) = &lane.ticks else {
        return html! { span.quiet.small { "not known here" } };
    };
    if lane.is_paused {
        return html! { span.quiet.small { "paused" } };
    }
    let Some(first) = ticks.first() else {
        return html! { span.quiet.small { "none" } };
    };
    let x = |at_ms: i64| (at_ms - page.from_ms) / MINUTE_MS;
    let width = (lane.usual_ms.unwrap_or_default() / MINUTE_MS).clamp(3, MINUTES);
    let usual = lane
        .usual_ms
        .map(|ms| format!(", usually {} long", duration(ms)));
    let words = match ticks.len() > DENSE {
        true => format!("more than {DENSE} ticks{}", usual.unwrap_or_default()),
        false => format!("{} ticks{}", ticks.len(), usual.unwrap_or_default()),
    };
    html! {
        svg.lane viewBox={ "0 0 " (MINUTES) " 16" } preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            @if ticks.len() > DENSE {
                rect.band x=(x(*first)) y="4" width=(x(page.to_ms) - x(*first)) height="8" {}
            } @else {
                @for tick in ticks { rect.tick x=(x(*tick)) y="1" width=(width) height="14" {} }
            }
            rect.now x=(x(page.now_ms)) y="0" width="2" height="16" {}
        }
    }
}

fn collisions(visitor: &Visitor, page: &TimelinePage) -> Markup {
    html! {
        section.card {
            h2 { "Jobs that start at the same instant" }
            @if page.looked_at < page.known {
                p.quiet { "Of the first " (page.looked_at) " of " (page.known) " jobs." }
            }
            @if page.collisions.is_empty() {
                p { "None do within 24 hours, but for jobs that start all the time." }
            } @else {
                p.quiet {
                    "If they use the same database or machine, an " code { "offset" } " or a " code { "jitter" }
                    " spreads them."
                }
                div.scroll {
                    table.stack {
                        caption { "Most jobs first" }
                        thead {
                            tr { th scope="col" { "When" } th.number scope="col" { "Jobs" } th scope="col" { "Which" } }
                        }
                        tbody {
                            @for (at_ms, jobs) in page.collisions.iter().take(LISTED) {
                                tr {
                                    th scope="row" {
                                        (full_time(*at_ms)) " " span.quiet { (time(*at_ms, page.now_ms)) }
                                    }
                                    td.number data-label="Jobs" { (jobs.len()) }
                                    td data-label="Which" {
                                        span {
                                            @for job in jobs { a.tag href=(job_url(visitor, job)) { (job) } " " }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
