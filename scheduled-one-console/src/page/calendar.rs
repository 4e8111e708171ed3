//! The audit calendar of a job.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use scheduled_one_control::audit::{AuditedTick, TickStatus};

use super::health::{tone_of, word_of};
use super::parts::{Tone, job_url, state, time_in};
use crate::gate::Visitor;
use crate::text::{in_zone, millis, shown};

const HOUR_MS: i64 = 3_600_000;
/// Ticks that need a look and are listed by name; the cells show all.
const LISTED: usize = 12;
/// Most cells of a range that is chosen by itself.
const MANY: usize = 400;
/// Most cells of a range that somebody chose.
pub(crate) const MOST: usize = 5_000;

/// A tick with what became of it; of several shards, or nodes, the worst.
pub(crate) struct Cell {
    pub(crate) tick_ms: i64,
    pub(crate) status: TickStatus,
}

impl Cell {
    /// A cell for each tick, oldest first.
    pub(crate) fn all(audited: &[AuditedTick]) -> Vec<Self> {
        let mut cells: Vec<Cell> = Vec::new();
        for tick in audited {
            let tick_ms = millis(tick.tick.duration_since(UNIX_EPOCH).unwrap_or_default());
            let status = tick.status;
            match cells.last_mut().filter(|cell| cell.tick_ms == tick_ms) {
                Some(cell) if tone(status) > tone(cell.status) => cell.status = status,
                Some(_) => {}
                None => cells.push(Cell { tick_ms, status }),
            }
        }
        cells
    }
}

pub(super) fn tone(status: TickStatus) -> Tone {
    match status {
        TickStatus::Decided(outcome) => tone_of(outcome),
        TickStatus::Running => Tone::Running,
        TickStatus::Unknown => Tone::Warn,
        _ => Tone::Idle,
    }
}

pub(super) fn word(status: TickStatus) -> String {
    match status {
        TickStatus::Decided(outcome) => word_of(outcome),
        TickStatus::Running => "running".to_owned(),
        TickStatus::Waiting => "waiting".to_owned(),
        TickStatus::Due => "due".to_owned(),
        TickStatus::Paused => "paused".to_owned(),
        TickStatus::NoLongerKept => "no longer kept".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Whether its cell is an outline: there is no outcome.
fn is_open(status: TickStatus) -> bool {
    !matches!(status, TickStatus::Decided(_) | TickStatus::Running)
}

/// How far the calendar goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
}

impl Range {
    pub(crate) const ALL: [Range; 5] = [
        Range::Hour,
        Range::Day,
        Range::Week,
        Range::Month,
        Range::Quarter,
    ];

    pub(crate) fn ms(self) -> i64 {
        match self {
            Range::Hour => HOUR_MS,
            Range::Day => 24 * HOUR_MS,
            Range::Week => 7 * 24 * HOUR_MS,
            Range::Month => 30 * 24 * HOUR_MS,
            Range::Quarter => 90 * 24 * HOUR_MS,
        }
    }

    /// The word in the address.
    fn word(self) -> &'static str {
        match self {
            Range::Hour => "hour",
            Range::Day => "day",
            Range::Week => "week",
            Range::Month => "month",
            Range::Quarter => "quarter",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Range::Hour => "1 hour",
            Range::Day => "24 hours",
            Range::Week => "7 days",
            Range::Month => "30 days",
            Range::Quarter => "90 days",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.word() == word)
    }

    /// The longest range with cells that can be seen at a glance.
    pub(crate) fn chosen(count: impl Fn(Range) -> usize) -> Self {
        let fits = |range: &Range| count(*range) <= MANY;
        Self::ALL
            .into_iter()
            .rev()
            .find(fits)
            .unwrap_or(Range::Hour)
    }

    /// What a row of cells is.
    fn row(self, tick_ms: i64, zone: &TimeZone) -> String {
        match self {
            Range::Hour => shown(tick_ms, zone, "%H:%M"),
            Range::Day => shown(tick_ms, zone, "%a %H:00"),
            _ => shown(tick_ms, zone, "%a %-d %b"),
        }
    }
}

/// What the calendar shows.
pub(crate) struct CalendarPage {
    pub(crate) range: Range,
    /// Nothing, if the ticks cannot be computed here.
    pub(crate) cells: Option<Vec<Cell>>,
    /// The cells are the newest of more.
    pub(crate) is_cut: bool,
    /// Since when the job is known, if that is in the range.
    pub(crate) since_ms: Option<i64>,
    pub(crate) zone: TimeZone,
}

pub(crate) fn calendar(visitor: &Visitor, job: &str, page: &CalendarPage) -> Markup {
    html! {
        section.card #ticks {
            div.head {
                h2 { "Every tick" }
                nav.choices aria-label="Range of the calendar" {
                    @for range in Range::ALL {
                        a href={ (job_url(visitor, job)) "?range=" (range.word()) "#ticks" }
                            aria-current=[(range == page.range).then_some("true")] { (range.title()) }
                    }
                }
            }
            @match &page.cells {
                None => p.quiet { "The ticks cannot be computed by this process." },
                Some(cells) if cells.is_empty() => p.quiet { "The schedule has no tick in this range." },
                Some(cells) => (filled(visitor, job, page, cells)),
            }
        }
    }
}

fn filled(visitor: &Visitor, job: &str, page: &CalendarPage, cells: &[Cell]) -> Markup {
    let mut rows: Vec<(String, Vec<&Cell>)> = Vec::new();
    for cell in cells {
        let title = page.range.row(cell.tick_ms, &page.zone);
        match rows.last_mut() {
            Some((last, row)) if *last == title => row.push(cell),
            _ => rows.push((title, vec![cell])),
        }
    }
    let worth_a_look = |cell: &&&Cell| matches!(tone(cell.status), Tone::Bad | Tone::Warn);
    let bad: Vec<&&Cell> = rows
        .iter()
        .flat_map(|(_, row)| row)
        .filter(worth_a_look)
        .collect();
    html! {
        p { (sum(cells))
            @if page.is_cut { " Of more ticks these are the newest." }
            @if let Some(since_ms) = page.since_ms { " The job is known since " (time_in(since_ms, &page.zone)) "." }
        }
        // The same is in words above and below it, and in the ledger.
        div.calendar aria-hidden="true" {
            @for (title, row) in &rows {
                div.line {
                    span.when { (title) }
                    div.cells { @for cell in row { (one(visitor, job, page, cell)) } }
                }
            }
        }
        @if !bad.is_empty() {
            ul.listed {
                @for cell in bad.iter().rev().take(LISTED) {
                    li {
                        (state(tone(cell.status), word(cell.status))) " "
                        a href={ (job_url(visitor, job)) "/ticks/" (cell.tick_ms) } {
                            (in_zone(cell.tick_ms, &page.zone))
                        }
                    }
                }
                @if bad.len() > LISTED { li.quiet { "and " (bad.len() - LISTED) " more" } }
            }
        }
    }
}

fn one(visitor: &Visitor, job: &str, page: &CalendarPage, cell: &Cell) -> Markup {
    let class = if is_open(cell.status) {
        "open"
    } else {
        tone(cell.status).class()
    };
    html! {
        a class={ "cell " (class) } tabindex="-1" href={ (job_url(visitor, job)) "/ticks/" (cell.tick_ms) }
            title={ (in_zone(cell.tick_ms, &page.zone)) ": " (word(cell.status)) } {}
    }
}

/// All ticks as one sum, in which none is missing.
fn sum(cells: &[Cell]) -> String {
    let mut counts: BTreeMap<(Tone, String), usize> = BTreeMap::new();
    for cell in cells {
        *counts
            .entry((tone(cell.status), word(cell.status)))
            .or_default() += 1;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|((_, word), count)| format!("{count} {word}"))
        .collect();
    let ticks = if cells.len() == 1 { "tick" } else { "ticks" };
    format!("{} {ticks}: {}.", cells.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_the_longest_that_can_be_seen() {
        let every = |seconds: i64| Range::chosen(|range| (range.ms() / 1_000 / seconds) as usize);
        assert_eq!(every(5), Range::Hour);
        assert_eq!(every(300), Range::Day);
        assert_eq!(every(3_600), Range::Week);
        assert_eq!(every(86_400), Range::Quarter);
    }
}
