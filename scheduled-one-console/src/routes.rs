//! Which path is what.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::app::{App, know_groups};
use crate::gate::{Gate, pass};
use crate::{act, api, assets, live, show};

/// Largest body of a request.
const MAX_BODY_BYTES: usize = 256 * 1024;

pub(crate) fn routes(app: Arc<App>, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/", get(show::jobs))
        .route("/trail", get(show::trail))
        .route("/timeline", get(show::timeline))
        .route("/alerts", get(show::alerts))
        .route("/cluster", get(show::cluster).post(show::examine))
        .route("/jobs/{job}", get(show::job))
        .route("/jobs/{job}/runs/{token}", get(show::run))
        .route("/jobs/{job}/ticks/{tick}", get(show::tick))
        .route("/jobs/{job}/pause", post(act::pause))
        .route("/jobs/{job}/resume", post(act::resume))
        .route("/jobs/{job}/run", post(act::run))
        .route("/jobs/{job}/reschedule", post(act::reschedule))
        .route("/jobs/{job}/reset", post(act::reset))
        .route("/jobs/{job}/backfill", post(act::backfill))
        .route("/jobs/{job}/backfill/stop", post(act::stop_backfill))
        .route("/jobs/{job}/runs/{token}/cancel", post(act::cancel))
        .route("/jobs/{job}/ticks/{tick}/rerun", post(act::rerun))
        .route("/api/v1/jobs", get(api::jobs))
        .route("/api/v1/jobs/{job}", get(api::job).post(api::act))
        .route("/api/v1/jobs/{job}/runs/{token}", post(api::cancel))
        .route("/api/v1/nodes", get(api::nodes))
        .route("/api/v1/openapi.json", get(api::description_of_all))
        .route("/events", get(live::events))
        .route("/assets/{name}", get(assets::serve))
        .fallback(show::nothing)
        .layer(middleware::from_fn(api::say_in_json))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            know_groups,
        ))
        .layer(middleware::from_fn_with_state(gate, pass))
        .with_state(app)
}
