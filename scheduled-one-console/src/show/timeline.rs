//! The next 24 hours of all jobs.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use scheduled_one_control::JobSummary;
use scheduled_one_protocol::LedgerRecord;

use super::{JOBS, LOOKED_AT, STRIP};
use crate::app::{App, Shared, Shown};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::live::follow;
use crate::page::{self, Lane, Search, Section, TimelinePage};
use crate::plan::ticks_of_summary;

const HOUR_MS: i64 = 3_600_000;

/// `GET /timeline`
pub(crate) async fn timeline(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Query(search): Query<Search>,
) -> Response {
    let shown = timeline_page(&app, &visitor, search).await;
    app.answer(&visitor, shown)
}

async fn timeline_page(app: &App, visitor: &Visitor, search: Search) -> Result<Shown, Failure> {
    let all = visitor.control.jobs().await?;
    let now_ms = app.now_ms();
    let from_ms = now_ms - now_ms.rem_euclid(HOUR_MS);
    let looked_at = &all[..all.len().min(LOOKED_AT)];
    let to_ms = now_ms + 24 * HOUR_MS;
    let ticks = |job: &JobSummary| ticks_of_summary(job, now_ms + 1, to_ms + 1);
    let mut at: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for job in looked_at.iter().filter(|job| !job.is_paused) {
        let ticks = ticks(job).unwrap_or_default();
        if ticks.len() <= page::DENSE {
            ticks
                .into_iter()
                .for_each(|tick| at.entry(tick).or_default().push(job.job.clone()));
        }
    }
    let mut collisions: Vec<(i64, Vec<String>)> =
        at.into_iter().filter(|(_, jobs)| jobs.len() > 1).collect();
    collisions.sort_by_key(|(tick, jobs)| (std::cmp::Reverse(jobs.len()), *tick));
    let behind: Vec<&JobSummary> = all.iter().filter(|job| job.job > search.after).collect();
    let shown = &behind[..behind.len().min(JOBS)];
    let names: Vec<String> = shown.iter().map(|job| job.job.clone()).collect();
    // First, so that what happens meanwhile is news to the page.
    let follows = follow(&visitor.control.glance(&names).await?);
    let ledgers = app.ledgers(visitor, &names, STRIP).await?;
    let lines = |job: &str| match ledgers.get(job) {
        Some(Ok(lines)) => &lines[..],
        _ => &[],
    };
    let lanes = shown.iter().map(|job| Lane {
        schedule: schedule_of(job),
        ticks: ticks(job),
        is_paused: job.is_paused,
        usual_ms: usual_ms(lines(&job.job)),
        refused: ledgers
            .get(&job.job)
            .and_then(|ledger| ledger.as_ref().err().cloned()),
        job: job.job.clone(),
    });
    let page = TimelinePage {
        lanes: lanes.collect(),
        next: names.last().filter(|_| shown.len() < behind.len()).cloned(),
        looked_at: looked_at.len(),
        known: all.len(),
        from_ms,
        to_ms,
        now_ms,
        collisions,
    };
    Ok(Shown {
        section: Section::Timeline,
        title: "Timeline".to_owned(),
        follows: Some(follows),
        content: page::timeline(visitor, &page),
    })
}

/// The schedule in force, in words.
fn schedule_of(job: &JobSummary) -> String {
    let wanted = job.wanted.as_ref().filter(|_| job.is_overridden);
    match (wanted, &job.cataloged) {
        (Some(wanted), _) => format!("{} in place of that in the code", wanted.text),
        (None, Some(cataloged)) => cataloged.schedule.clone(),
        (None, None) => String::new(),
    }
}

/// How long the runs of these lines usually took: the median.
fn usual_ms(lines: &[LedgerRecord]) -> Option<i64> {
    let took = lines.iter().filter_map(LedgerRecord::took_ms);
    let mut took: Vec<i64> = took.collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}
