//! What alerts fire.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use scheduled_one_control::FiringAlert;
use scheduled_one_protocol::UnitName;

use crate::app::{App, Shared, Shown};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::page::{self, AlertsPage, Section};
use crate::rights::Action;

/// Rules whose subject is no job.
const OF_ALL: [&str; 5] = [
    "nodes_below",
    "drift",
    "quarantine",
    "store_lost",
    "channel",
];

/// `GET /alerts`
pub(crate) async fn alerts(State(app): Shared, Extension(visitor): Extension<Visitor>) -> Response {
    let shown = alerts_page(&app, &visitor).await;
    app.answer(&visitor, shown)
}

/// Who may see some jobs sees what fires for them. What concerns all, and what was sent, may name any job.
async fn alerts_page(app: &App, visitor: &Visitor) -> Result<Shown, Failure> {
    let mut alerts = app.control.alerts().await?;
    let jobs = app.visible_jobs(visitor).await?.into_iter();
    let jobs: BTreeSet<String> = jobs.map(|job| job.job).collect();
    let sees_all = visitor.user.rights.allows_everywhere(Action::View);
    if let Some(alerts) = alerts.as_mut().filter(|_| !sees_all) {
        let is_seen = |firing: &FiringAlert| {
            let unit = UnitName::from(firing.subject.as_str());
            jobs.contains(unit.job()) && !OF_ALL.contains(&&*firing.rule)
        };
        alerts.firing.retain(is_seen);
    }
    let page = AlertsPage {
        alerts,
        jobs,
        sees_all,
        now_ms: app.now_ms(),
    };
    Ok(Shown {
        section: Section::Alerts,
        title: "Alerts".to_owned(),
        // It has no stream of its own: what changes for jobs changes their ledgers.
        follows: None,
        content: page::alerts(visitor, &page),
    })
}
