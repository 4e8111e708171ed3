//! The thread that accepts connections, and cuts those that have become too old.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::connection::Connection;
use super::faults::{Entrance, Shared};

/// Interval at which the listener reads its settings and the ages of connections.
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(shared: &Arc<Shared>, listener: TcpListener, port: u16) {
    let mut listener = Some(listener);
    loop {
        let (stopped, refuse) = {
            let state = shared.state();
            let refuse = state.faults.entrance == Entrance::Refuse;
            (state.stopped, refuse)
        };
        if stopped {
            return;
        }
        cut_old(shared);
        if refuse == listener.is_some() {
            // The port may be taken for a moment; then the next look tries again.
            listener = if refuse { None } else { bind(port).ok() };
            shared.change(|state| state.listening = listener.is_some());
        }
        match &listener {
            Some(listener) => accept(shared, listener),
            None => thread::sleep(LOOK),
        }
    }
}

pub(super) fn bind(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let look = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&look));
    while let Ok((client, _)) = listener.accept() {
        // Some systems pass on what the listener has.
        let _ = client.set_nonblocking(false);
        let id = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        thread::spawn(move || Connection::serve(&shared, id, client));
    }
}

fn cut_old(shared: &Shared) {
    let Some(age) = shared.state().faults.churn else {
        return;
    };
    shared.change(|state| {
        for connection in state.connections.values() {
            if connection.opened.elapsed() >= age && !shared.spares(connection) {
                connection.close();
            }
        }
    });
}
