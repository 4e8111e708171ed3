//! What there is to know of a job, as JSON has it.

use std::collections::BTreeMap;

use scheduled_one_control::{CatalogedJob, OpenRun, OverrideOf, PauseOf, UnitRecord};
use serde::Serialize;

use super::Shown;
use crate::commands::next::ms;
use crate::text::instant;
use crate::view::Line;

/// Keys of the catalog that are no policies.
const NO_POLICIES: [&str; 17] = [
    "schedule",
    "words",
    "identity",
    "cron",
    "every_ms",
    "offset_ms",
    "manual",
    "tz",
    "zone_data",
    "start",
    "end",
    "within",
    "except",
    "description",
    "group",
    "application",
    "ledger_limit",
];
#[derive(Serialize)]
pub(super) struct View {
    job: String,
    schedule: Option<String>,
    words: Option<String>,
    group: Option<String>,
    description: Option<String>,
    policies: BTreeMap<String, String>,
    next: Vec<String>,
    /// Why there are none.
    no_next: Option<String>,
    directive_version: u64,
    pauses: Vec<PauseView>,
    overridden: Option<OverrideView>,
    gone_since: Option<String>,
    nodes: BTreeMap<String, Vec<String>>,
    /// Under an empty text those that say none.
    versions: BTreeMap<String, Vec<String>>,
    backfill: Option<BackfillView>,
    shards: u32,
    running: usize,
    waiting: usize,
    runs: Vec<RunView>,
    records: Vec<RecordView>,
    shards_left_out: u32,
    first_seen: Option<String>,
    decided_to: Option<String>,
    deciding_schedule: Option<String>,
    deciding_generation: Option<u32>,
    newest: Vec<Line>,
}

/// A record of a shard, of one of its slots, or of its lane.
#[derive(Serialize)]
struct RecordView {
    unit: String,
    shard: u32,
    /// 0 for none.
    slot: u32,
    is_lane: bool,
    decided_to: Option<String>,
    running: Option<String>,
    token: Option<u64>,
    waiting: Vec<String>,
}

#[derive(Serialize)]
struct PauseView {
    of: &'static str,
    since: String,
    until: Option<String>,
    by: String,
    note: String,
    directive_version: u64,
}

/// A schedule that somebody wants in place of that in the code.
#[derive(Serialize)]
struct OverrideView {
    /// Empty if that in the code is in force again.
    schedule: String,
    zone: String,
    since: String,
    by: String,
    void: bool,
}

/// The backfill that goes on.
#[derive(Serialize)]
struct BackfillView {
    total: u64,
    asked: u64,
    open: usize,
    paused: bool,
    by: String,
}

#[derive(Serialize)]
struct RunView {
    shard: u32,
    tick: String,
    /// Of a run that waits there is none.
    token: Option<u64>,
    requested: bool,
}

impl From<&OpenRun> for RunView {
    fn from(run: &OpenRun) -> Self {
        RunView {
            shard: run.shard,
            tick: instant(run.tick.ms()),
            token: run.token.map(|token| token.get()),
            requested: run.is_requested,
        }
    }
}

impl From<&UnitRecord> for RecordView {
    fn from(UnitRecord { unit, status, .. }: &UnitRecord) -> Self {
        let waiting = status.waiting.iter();
        RecordView {
            unit: unit.as_str().to_owned(),
            shard: unit.shard(),
            slot: unit.slot(),
            is_lane: unit.is_lane(),
            decided_to: status.marks.decided.map(|tick| instant(tick.ms())),
            running: status.running.map(|tick| instant(tick.ms())),
            token: status.token.map(|token| token.get()),
            waiting: waiting.map(|tick| instant(tick.ms())).collect(),
        }
    }
}

impl From<&OverrideOf> for OverrideView {
    fn from(other: &OverrideOf) -> Self {
        OverrideView {
            schedule: other.wanted.text.clone(),
            zone: other.wanted.zone.clone(),
            since: instant(other.wanted.since_ms),
            by: other.wanted.by.clone(),
            void: other.is_void,
        }
    }
}

impl From<&PauseOf> for PauseView {
    fn from(pause: &PauseOf) -> Self {
        PauseView {
            of: match pause.of_all {
                true => "all",
                false => "job",
            },
            since: instant(pause.pause.since_ms),
            until: pause.pause.until_ms.map(instant),
            by: pause.by.clone(),
            note: pause.note.clone(),
            directive_version: pause.version,
        }
    }
}

/// What the job says of its runs: the catalog has it next to the parts of the schedule, and to what is shown elsewhere.
pub(super) fn policies(job: &CatalogedJob) -> BTreeMap<String, String> {
    let said = job.descriptor.iter();
    said.filter(|(key, _)| !NO_POLICIES.contains(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

impl View {
    pub(super) fn of(
        Shown {
            job,
            runs,
            backfill,
        }: &Shown,
    ) -> Self {
        let status = &job.status;
        let next = job.next.ticks();
        let cataloged = job.cataloged.as_ref();
        let nodes = job.nodes.iter();
        View {
            job: job.job.clone(),
            schedule: cataloged.map(|job| job.schedule.clone()),
            words: cataloged.map(|job| job.words.clone()),
            group: cataloged.and_then(|job| job.group.clone()),
            description: cataloged.and_then(|job| job.description.clone()),
            policies: cataloged.map(policies).unwrap_or_default(),
            next: next.iter().map(|tick| instant(ms(*tick))).collect(),
            no_next: next.is_empty().then(|| job.next.to_string()),
            directive_version: job.version,
            pauses: job.pauses.iter().map(PauseView::from).collect(),
            overridden: job.overridden.as_ref().map(OverrideView::from),
            gone_since: job.gone_since_ms.map(instant),
            nodes: nodes
                .map(|(schedule, nodes)| (schedule.to_string(), nodes.clone()))
                .collect(),
            versions: job.versions.clone(),
            backfill: backfill.as_ref().map(|state| BackfillView {
                total: state.total,
                asked: state.asked,
                open: state.open,
                paused: state.is_paused,
                by: state.by.clone(),
            }),
            shards: job.shards,
            running: runs.iter().filter(|run| run.token.is_some()).count(),
            waiting: runs.iter().filter(|run| run.token.is_none()).count(),
            runs: runs.iter().map(RunView::from).collect(),
            records: job.records.iter().map(RecordView::from).collect(),
            shards_left_out: job.shards_left_out,
            first_seen: status.marks.first_seen_ms.map(instant),
            decided_to: status.marks.decided.map(|tick| instant(tick.ms())),
            deciding_schedule: status
                .decides
                .as_ref()
                .map(|decides| decides.id.to_string()),
            deciding_generation: status.decides.as_ref().map(|decides| decides.generation),
            newest: job.newest.iter().map(Line::from).collect(),
        }
    }
}
