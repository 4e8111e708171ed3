//! Who did what.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use scheduled_one_control::TrailEntry;
use scheduled_one_protocol::{ALL_JOBS, UnitName};

use crate::app::{App, Shared, Shown};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::page::{self, Section, TrailPage};
use crate::rights::Action;

/// Entries that are looked at.
const ENTRIES: usize = 500;

/// `GET /trail`
pub(crate) async fn trail(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<TrailPage>,
) -> Response {
    let shown = trail_page(&app, &visitor, &wanted).await;
    app.answer(&visitor, shown)
}

async fn trail_page(app: &App, visitor: &Visitor, wanted: &TrailPage) -> Result<Shown, Failure> {
    let mut trail = app.control.trail().limit(ENTRIES);
    if !wanted.job.is_empty() {
        trail = trail.job(&wanted.job);
    }
    if !wanted.actor.is_empty() {
        trail = trail.actor(&wanted.actor);
    }
    if !wanted.action.is_empty() {
        trail = trail.action(&wanted.action);
    }
    let mut entries = trail.await?.entries;
    entries.reverse();
    let may_see = |entry: &TrailEntry| {
        let unit = UnitName::from(entry.subject.as_str());
        let of_all =
            entry.subject == ALL_JOBS && visitor.user.rights.allows_somewhere(Action::View);
        of_all || visitor.may(Action::View, unit.job())
    };
    entries.retain(may_see);
    Ok(Shown {
        section: Section::Trail,
        title: "Trail".to_owned(),
        follows: None,
        content: page::trail(visitor, wanted, &entries, app.now_ms()),
    })
}
