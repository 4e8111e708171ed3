//! Who did what.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;

use crate::app::{App, Shared, Shown};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::live::follow_trail;
use crate::page::{self, Section, TrailPage};

/// Entries of a page.
const ENTRIES: usize = 200;

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
    // First, so that what happens meanwhile is news to the page. What is earlier stays as it is.
    let follows = match wanted.before.is_empty() {
        true => Some(follow_trail(app.unrestricted()).await?),
        false => None,
    };
    let mut trail = visitor.control.trail().limit(ENTRIES);
    if !wanted.job.is_empty() {
        trail = trail.job(&wanted.job);
    }
    if !wanted.actor.is_empty() {
        trail = trail.actor(&wanted.actor);
    }
    if !wanted.action.is_empty() {
        trail = trail.action(&wanted.action);
    }
    if !wanted.before.is_empty() {
        trail = trail.before(wanted.before.parse()?);
    }
    let mut page = trail.await?;
    page.entries.reverse();
    Ok(Shown {
        section: Section::Trail,
        title: "Trail".to_owned(),
        follows,
        content: page::trail(visitor, wanted, &page, app.now_ms()),
    })
}
