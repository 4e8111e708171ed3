//! Why something cannot be shown or done, for people and for programs.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use scheduled_one_control::{Action, Error};
use scheduled_one_protocol::StoreError;
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Control(#[from] Error),
    #[error("You may not {action} with `{job}`. Ask somebody who gives rights in this console.")]
    Forbidden { action: Action, job: String },
    #[error("`{field}`: {message}")]
    Input {
        field: &'static str,
        message: String,
    },
    /// The body was not read, with the status that says why.
    #[error("{text}")]
    Body { status: StatusCode, text: String },
    #[error("The run with the token {token} is over, or never was.")]
    Gone { token: u64 },
    #[error("`{job}` has the version {found}, and {expected} was expected.")]
    Version {
        job: String,
        found: u64,
        expected: u64,
    },
    #[error("There is nothing at this address.")]
    NoPage,
    #[error(
        "The ledger of `{job}` has no line of this run: it keeps the newest lines only, or the run never was."
    )]
    NoRun { job: String },
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Failure::Control(Error::UnknownJob { .. })
            | Failure::NoPage
            | Failure::NoRun { .. } => StatusCode::NOT_FOUND,
            Failure::Control(Error::Conflict { .. } | Error::ManyRuns { .. })
            | Failure::Gone { .. } => StatusCode::CONFLICT,
            Failure::Control(Error::Argument { .. }) | Failure::Input { .. } => {
                StatusCode::BAD_REQUEST
            }
            Failure::Control(Error::TooMany { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Failure::Control(Error::Forbidden { .. }) => StatusCode::FORBIDDEN,
            Failure::Control(_) => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Forbidden { .. } => StatusCode::FORBIDDEN,
            Failure::Version { .. } => StatusCode::PRECONDITION_FAILED,
            Failure::Body { status, .. } => *status,
        }
    }

    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Failure::Control(Error::UnknownJob { .. }) => "unknown_job",
            Failure::Control(Error::Conflict { .. }) | Failure::Version { .. } => "conflict",
            Failure::Control(Error::ManyRuns { .. }) => "many_runs",
            Failure::Control(Error::Argument { .. }) | Failure::Input { .. } => "argument",
            Failure::Control(Error::TooMany { .. }) => "too_many",
            Failure::Control(Error::Forbidden { .. }) => "forbidden",
            Failure::Control(_) => "store",
            Failure::Forbidden { .. } => "forbidden",
            Failure::Body { .. } => "body",
            Failure::Gone { .. } => "gone",
            Failure::NoPage | Failure::NoRun { .. } => "not_found",
        }
    }

    pub(crate) fn title(&self) -> &'static str {
        match self.code() {
            "unknown_job" => "There is no such job",
            "conflict" => "Somebody else was faster",
            "many_runs" => "Several runs have this token",
            "argument" | "body" => "This cannot be done as it was asked for",
            "too_many" => "Too many requests wait",
            "store" if self.is_passing() => "The store is away",
            "store" => "The store refuses",
            "forbidden" => "You may not do this",
            "gone" => "There is no such run now",
            _ => "Nothing found",
        }
    }

    /// The store may be back in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Failure::Control(Error::Store(
                StoreError::Unknown(_) | StoreError::Unavailable(_)
            ))
        )
    }
}

/// Whether the path is of the API: its errors are JSON.
pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

/// The body of an error.
pub(crate) fn api_error(code: &str, message: &str) -> String {
    json!({ "error": { "code": code, "message": message } }).to_string()
}

/// A word for programs, of a status that no handler gave.
pub(crate) fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => "body",
        _ => "argument",
    }
}

/// The answer to a request that failed.
pub(crate) fn failed(failure: &Failure) -> Response {
    let body = api_error(failure.code(), &failure.to_string());
    let json = HeaderValue::from_static("application/json");
    (failure.status(), [(header::CONTENT_TYPE, json)], body).into_response()
}
