//! Store and nodes.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use scheduled_one_protocol::Report;

use crate::app::{App, Shared, Shown};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::live::follow_cluster;
use crate::page::{self, ClusterPage, Section};
use scheduled_one_control::Action;

/// `GET /cluster`
pub(crate) async fn cluster(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let shown = cluster_page(&app, &visitor, None).await;
    app.answer(&visitor, shown)
}

/// `POST /cluster`: the same page with what the doctor finds. Whoever sees all jobs may ask for it; nothing of the
/// namespace changes.
pub(crate) async fn examine(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let shown = match visitor.user.rights.allows_everywhere(Action::View) {
        true => {
            let report = visitor.control.doctor().await;
            cluster_page(&app, &visitor, Some(report)).await
        }
        false => Err(Failure::Forbidden {
            action: Action::View,
            job: "*".to_owned(),
        }),
    };
    app.answer(&visitor, shown)
}

async fn cluster_page(
    app: &App,
    visitor: &Visitor,
    report: Option<Report>,
) -> Result<Shown, Failure> {
    // First, so that what happens meanwhile is news to the page. What the doctor found would be lost with a new look.
    let follows = match &report {
        None => Some(follow_cluster(app.unrestricted()).await?),
        Some(_) => None,
    };
    let page = ClusterPage {
        nodes: visitor.control.living_nodes().await?,
        buckets: visitor.control.buckets().await?,
        now_ms: app.now_ms(),
        report,
    };
    Ok(Shown {
        section: Section::Cluster,
        title: "Cluster".to_owned(),
        follows,
        content: page::cluster(visitor, &page),
    })
}
