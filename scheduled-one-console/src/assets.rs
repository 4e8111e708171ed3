//! The style sheet and the script, under names with the hash of their content: browsers keep them a year, and a new
//! version has a new name.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use scheduled_one_protocol::hash;

const A_YEAR: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// A file of the console.
pub(crate) struct Asset {
    /// Its name, with the hash.
    pub(crate) name: String,
    content_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, text: &'static str) -> Self {
        Asset {
            name: format!("{stem}-{:016x}.{ending}", hash(text, 0)),
            content_type,
            text,
        }
    }
}

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/console.css");
    Asset::new("console", "css", "text/css; charset=utf-8", text)
});

pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../assets/console.js");
    Asset::new("console", "js", "text/javascript; charset=utf-8", text)
});

/// `GET /assets/{name}`
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let assets = [&*STYLE, &*SCRIPT];
    match assets.into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let content_type = HeaderValue::from_static(asset.content_type);
            let headers = [
                (header::CONTENT_TYPE, content_type),
                (header::CACHE_CONTROL, A_YEAR),
            ];
            (headers, asset.text).into_response()
        }
        // The page is that of another version: it is loaded again.
        None => (
            StatusCode::NOT_FOUND,
            "This file is that of another version: reload the page.\n",
        )
            .into_response(),
    }
}
