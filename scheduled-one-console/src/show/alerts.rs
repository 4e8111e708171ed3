//! What alerts fire.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use scheduled_one_control::Action;

use crate::app::{App, Shared, Shown};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::live::follow_alerts;
use crate::page::{self, AlertsPage, Section};

/// `GET /alerts`
pub(crate) async fn alerts(State(app): Shared, Extension(visitor): Extension<Visitor>) -> Response {
    let shown = alerts_page(&app, &visitor).await;
    app.answer(&visitor, shown)
}

/// Who may see some jobs sees what fires for them. What concerns all, and what was sent, may name any job.
async fn alerts_page(app: &App, visitor: &Visitor) -> Result<Shown, Failure> {
    let alerts = visitor.control.alerts().await?;
    let follows = follow_alerts(alerts.as_ref());
    let jobs = visitor.control.jobs().await?.into_iter();
    let jobs: BTreeSet<String> = jobs.map(|job| job.job).collect();
    let sees_all = visitor.user.rights.allows_everywhere(Action::View);
    let page = AlertsPage {
        alerts,
        jobs,
        sees_all,
        now_ms: app.now_ms(),
    };
    Ok(Shown {
        section: Section::Alerts,
        title: "Alerts".to_owned(),
        follows: Some(follows),
        content: page::alerts(visitor, &page),
    })
}
