//! One command over the Redis protocol, as little of it as tests need.
//!
//! The Redis client under test is not used here on purpose: the test kit must not share its bugs.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::options::Login;

/// The longest a test command waits for its connection, and for each part of its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one command on a connection of its own and returns the answer as text.
pub(crate) fn command(port: u16, login: Option<&Login>, args: &[&str]) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    if let Some(login) = login {
        let user = login.user.as_deref();
        let auth: Vec<&str> = ["AUTH"]
            .into_iter()
            .chain(user)
            .chain([&*login.password])
            .collect();
        stream.write_all(&encode(&auth))?;
        read_reply(&mut replies)?;
    }
    stream.write_all(&encode(args))?;
    read_reply(&mut replies)
}

fn encode(args: &[&str]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", args.len());
    for arg in args {
        request.push_str(&format!("${}\r\n{arg}\r\n", arg.len()));
    }
    request.into_bytes()
}

/// Reads one reply: texts and integers as they are, nil as `(nil)`, arrays with one element a line.
fn read_reply(replies: &mut impl BufRead) -> io::Result<String> {
    let line = read_line(replies)?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| malformed(&line))?;
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => Err(io::Error::other(rest.to_owned())),
        "$" | "*" if rest == "-1" => Ok("(nil)".to_owned()),
        "$" => read_bulk(replies, rest.parse().map_err(|_| malformed(&line))?),
        "*" => read_array(replies, rest.parse().map_err(|_| malformed(&line))?),
        _ => Err(malformed(&line)),
    }
}

fn read_line(replies: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    replies.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "redis closed the connection before its answer was complete",
        )),
    }
}

fn read_bulk(replies: &mut impl BufRead, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length + "\r\n".len()];
    replies.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// An element that is an error stays an element: it must not leave the rest of the answer unread.
fn read_array(replies: &mut impl BufRead, length: usize) -> io::Result<String> {
    let mut lines = Vec::new();
    for _ in 0..length {
        lines.push(match read_reply(replies) {
            Err(error) if error.kind() == io::ErrorKind::Other => format!("(error) {error}"),
            reply => reply?,
        });
    }
    Ok(lines.join("\n"))
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not a redis reply: {line:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Result<String, String> {
        read_reply(&mut reply.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn requests_carry_lengths_in_bytes() {
        assert_eq!(
            encode(&["GET", "é"]),
            "*2\r\n$3\r\nGET\r\n$2\r\né\r\n".as_bytes()
        );
    }

    #[test]
    fn replies_become_text() {
        assert_eq!(read("+OK\r\n"), Ok("OK".into()));
        assert_eq!(read(":-7\r\n"), Ok("-7".into()));
        assert_eq!(read("$4\r\na\r\nb\r\n"), Ok("a\r\nb".into()));
        assert_eq!(read("$-1\r\n"), Ok("(nil)".into()));
        assert_eq!(
            read("*3\r\n:1\r\n$1\r\nx\r\n-ERR y\r\n"),
            Ok("1\nx\n(error) ERR y".into())
        );
        assert_eq!(read("-NOAUTH please\r\n"), Err("NOAUTH please".into()));
    }

    #[test]
    fn broken_replies_are_errors() {
        assert!(read("").is_err_and(|e| e.contains("closed the connection")));
        assert!(read("+OK").is_err_and(|e| e.contains("closed the connection")));
        assert!(read("\r\n").is_err_and(|e| e.contains("not a redis reply")));
        assert!(read("$x\r\n").is_err_and(|e| e.contains("not a redis reply")));
    }
}
