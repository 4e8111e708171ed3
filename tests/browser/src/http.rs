//! One request of JSON on a connection of its own.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Sends the request to a port of this machine; the error is for people.
pub(crate) async fn send(
    port: u16,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await;
    let stream = stream.map_err(|error| format!("chromedriver is away: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = tokio::spawn(connection);
    let body = match method {
        "POST" => Bytes::from(body.to_string()),
        _ => Bytes::new(),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("127.0.0.1:{port}"))
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(text)?;
    let reply = sender.send_request(request).await.map_err(text)?;
    let bytes = reply.into_body().collect().await.map_err(text)?.to_bytes();
    connection.abort();
    let mut reply: Value = serde_json::from_slice(&bytes).map_err(text)?;
    let value = reply["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(format!(
            "{method} {path}: {error}: {}",
            value["message"].as_str().unwrap_or_default()
        )),
        None => Ok(value),
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
