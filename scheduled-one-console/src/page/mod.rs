//! The pages, as functions from what they show to HTML. Text is escaped by the templates; nothing here is marked as
//! HTML that comes from a job, an error or the store.

mod alerts;
mod all_jobs;
mod attempts;
mod backfill;
mod calendar;
mod cluster;
mod control_card;
mod error;
mod health;
mod job;
mod jobs;
mod layout;
mod ledger;
pub(crate) mod parts;
mod plots;
mod policies;
mod reschedule;
mod run;
mod timeline;
mod trail;

pub(crate) use alerts::{AlertsPage, alerts};
pub(crate) use backfill::{BackfillWish, plan as backfill_plan};
pub(crate) use calendar::{CalendarPage, Cell, MOST as MOST_CELLS, Range};
pub(crate) use cluster::{ClusterPage, cluster};
pub(crate) use error::error;
pub(crate) use health::Health;
pub(crate) use job::{FEW, JobPage, MANY, job};
pub(crate) use jobs::{JobsPage, Row, Search, jobs};
pub(crate) use layout::{Layout, Section};
pub(crate) use reschedule::{ScheduleChange, ScheduleWish, preview as schedule_preview};
pub(crate) use run::{Logged, RunPage, run};
pub(crate) use timeline::{DENSE, Lane, TimelinePage, timeline};
pub(crate) use trail::{TrailPage, trail};
