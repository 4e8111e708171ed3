//! Reads the reason of a server that writes one and closes each new connection: too many clients, protected mode.
//!
//! A client that writes before it reads rarely sees the reason: the server closes a connection with unread requests,
//! which resets the connection, and a reset discards the reason. So it is read on a connection of its own, on which
//! nothing is written.

use std::time::Duration;

use deadpool_redis::redis::{RedisError, parse_redis_value};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::classify::{self, RedisFailure};
use crate::encryption::Encryption;
use crate::topology::Endpoint;

/// Longest time to connect and to read. The server writes the reason as soon as it accepts.
const TIME_LIMIT: Duration = Duration::from_millis(250);

/// Longest reason, in bytes. That of the protected mode has about 900.
const MAX_BYTES: u64 = 4096;

/// Classifies `error` on a new connection to a server, by the reason that the server gives if it has closed the
/// connection.
pub(super) async fn of_connecting(
    to: &Endpoint,
    tls: &Encryption,
    error: &RedisError,
) -> RedisFailure {
    match reason_after(to, tls, error).await {
        Some(failure) => failure,
        None => classify::of_connecting(to, error),
    }
}

/// The reason of a server that closes each new connection, after `error` on one of them. `None` if it gives none within
/// a quarter of a second, keeps the connection open, or if the error is another one. Over TLS a server gives none: it
/// closes before the encryption is agreed on.
pub(super) async fn reason_after(
    to: &Endpoint,
    tls: &Encryption,
    error: &RedisError,
) -> Option<RedisFailure> {
    let closed = error.is_io_error() && !error.is_connection_refusal() && !error.is_timeout();
    if !closed || !matches!(tls, Encryption::None) {
        return None;
    }
    let reading = async {
        match to {
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.ok()?;
                read_line(stream).await
            }
            Endpoint::Unix(path) => read_line(UnixStream::connect(path).await.ok()?).await,
        }
    };
    let line = timeout(TIME_LIMIT, reading).await.ok().flatten()?;
    Some(classify::of_hang_up(to, &read_reason(&line)?))
}

async fn read_line(stream: impl AsyncRead + Unpin) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(MAX_BYTES));
    reader.read_until(b'\n', &mut line).await.ok()?;
    Some(line)
}

/// The error of a line, if it is a complete error reply.
fn read_reason(line: &[u8]) -> Option<RedisError> {
    if !line.starts_with(b"-") || !line.ends_with(b"\r\n") {
        return None;
    }
    parse_redis_value(line)
        .and_then(|value| value.extract_error())
        .err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_reply_is_a_reason() {
        let code = |written: &[u8]| {
            let error = read_reason(written)?;
            Some((error.code()?.to_owned(), error.detail()?.to_owned()))
        };
        let of = |code: &str, detail: &str| Some((code.to_owned(), detail.to_owned()));
        assert_eq!(
            code(b"-ERR max number of clients reached\r\n"),
            of("ERR", "max number of clients reached")
        );
        assert_eq!(code(b"-DENIED a 1) b.\r\n"), of("DENIED", "a 1) b."));
        for other in [&b""[..], b"+OK\r\n", b"HTTP/1.1 400\r\n", b"-DENIED"] {
            assert_eq!(code(other), None);
        }
    }
}
