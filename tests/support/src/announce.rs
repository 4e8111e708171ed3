//! Servers that are known by another port than the one they listen on.

use std::io;

use crate::RedisServer;

type Port = Box<dyn FnMut(u16) -> io::Result<u16>>;

/// Names the port that a server is known by, given the one that it listens on.
#[derive(Default)]
pub(crate) struct AnnouncePort(Option<Port>);

impl AnnouncePort {
    pub(crate) fn by(port: impl FnMut(u16) -> io::Result<u16> + 'static) -> Self {
        Self(Some(Box::new(port)))
    }

    /// The port by which this server is known from now on, after restarts too.
    ///
    /// `setting` is `replica` or `cluster`.
    pub(crate) fn announce(&mut self, server: &RedisServer, setting: &str) -> io::Result<u16> {
        let Some(port) = &mut self.0 else {
            return Ok(server.port());
        };
        let port = port(server.port())?;
        let announce_ip = format!("{setting}-announce-ip");
        let announce_port = format!("{setting}-announce-port");
        server.command(&["CONFIG", "SET", &announce_ip, "127.0.0.1"])?;
        server.command(&["CONFIG", "SET", &announce_port, &port.to_string()])?;
        server.command(&["CONFIG", "REWRITE"])?;
        Ok(port)
    }
}
