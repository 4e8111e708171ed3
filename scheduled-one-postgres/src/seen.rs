//! What the handles of a namespace have seen of servers. A server that has less than that is not the one that
//! acknowledged it: a primary that was replaced, or one whose disk was set back to a snapshot.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scheduled_one_protocol::StoreError;

/// Between the identity of a server and the instant at which a node saw that it was set back.
const SET_BACK: char = '#';

/// How far the log of a server had come, as a bucket saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The identity of the server.
    server: String,
    /// The end of what was on its disk.
    flushed: i64,
    /// When that was, by the clock of the server.
    at_us: u64,
    /// How often it was seen set back.
    setbacks: u64,
}

impl Progress {
    /// The end of the log that a server of this identity has at least, if it was seen.
    pub(crate) fn flushed_of(&self, identity: &str) -> Option<i64> {
        (self.server == identity).then_some(self.flushed)
    }
}

/// The state of a server, as a step loads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// See [`Identity`](crate::identity::Identity).
    pub(crate) identity: String,
    /// The end of what is on its disk, if it says so.
    pub(crate) flushed: Option<i64>,
    /// Its clock.
    pub(crate) now_us: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The highest timeline of each system.
    timelines: HashMap<String, String>,
    /// By bucket: each of them notices a loss by itself.
    progress: HashMap<String, Progress>,
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen before a request is sent: the server that takes it has at least this, unless it was set back. What
    /// requests see that are under way at the same time says nothing.
    pub(crate) fn before(&self, bucket: &str) -> Progress {
        self.state()
            .progress
            .get(bucket)
            .cloned()
            .unwrap_or_default()
    }

    /// The identity of the history that a server serves, of which the bucket has stored `stored`.
    ///
    /// A server that was set back keeps its identity, so the history gets a mark: the instant at which a node saw that.
    /// The mark is stored with the identity, and each node goes on with the one that it finds.
    ///
    /// # Errors
    ///
    /// The server is a primary that was replaced.
    pub(crate) fn history(
        &self,
        before: &Progress,
        server: &Server,
        stored: &str,
    ) -> Result<String, StoreError> {
        self.refuse_deposed(&server.identity)?;
        let mark = stored.strip_prefix(&server.identity);
        let mark = mark.and_then(|rest| rest.strip_prefix(SET_BACK));
        let marked_at: u64 = mark.and_then(|mark| mark.parse().ok()).unwrap_or_default();
        // Another node may have seen it since.
        let is_news = marked_at <= before.at_us;
        Ok(match (is_set_back(before, server) && is_news, mark) {
            (true, _) => format!("{}{SET_BACK}{}", server.identity, server.now_us),
            (false, Some(_)) => stored.to_owned(),
            (false, None) => server.identity.clone(),
        })
    }

    /// A primary that was replaced has a lower timeline than the one that took its place.
    fn refuse_deposed(&self, identity: &str) -> Result<(), StoreError> {
        let mut parts = identity.split(':');
        let (Some(system), Some(timeline)) = (parts.next(), parts.next()) else {
            return Ok(());
        };
        let is_timeline = timeline.len() == 8 && timeline.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_timeline {
            return Ok(());
        }
        let mut state = self.state();
        let highest = state.timelines.entry(system.to_owned()).or_default();
        if timeline < highest.as_str() {
            return Err(StoreError::Unavailable(format!(
                "the server has timeline {timeline}, and timeline {highest} of the same system was seen before: it is a \
                 primary that was replaced, and takes writes that are lost; fence it. If an older backup was restored, \
                 restart this process"
            )));
        }
        timeline.clone_into(highest);
        Ok(())
    }

    /// A step that saw the server has been committed there.
    pub(crate) fn committed(&self, bucket: &str, before: &Progress, server: Server) {
        let is_set_back = is_set_back(before, &server);
        let Some(flushed) = server.flushed else {
            return;
        };
        let mut state = self.state();
        let progress = state.progress.entry(bucket.to_owned()).or_default();
        if progress.setbacks != before.setbacks {
            return; // another request saw it set back
        }
        let is_same = progress.server == server.identity && !is_set_back;
        *progress = Progress {
            flushed: if is_same {
                progress.flushed.max(flushed)
            } else {
                flushed
            },
            at_us: progress.at_us.max(server.now_us),
            setbacks: progress.setbacks + u64::from(is_set_back),
            server: server.identity,
        };
    }
}

fn is_set_back(before: &Progress, server: &Server) -> bool {
    let is_less = server
        .flushed
        .is_some_and(|flushed| flushed < before.flushed);
    is_less && before.server == server.identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(identity: &str, flushed: i64, now_us: u64) -> Server {
        Server {
            identity: identity.to_owned(),
            flushed: Some(flushed),
            now_us,
        }
    }

    /// A bucket, and a node that uses it.
    fn request(seen: &Seen, stored: &mut String, server: Server) -> Result<(), StoreError> {
        let before = seen.before("b");
        *stored = seen.history(&before, &server, stored)?;
        seen.committed("b", &before, server);
        Ok(())
    }

    #[test]
    fn a_server_that_was_set_back_is_another_history_once() {
        let (one, two) = (Seen::default(), Seen::default());
        let mut stored = String::new();
        for (flushed, now_us) in [(100, 1), (100, 2), (150, 3)] {
            for node in [&one, &two] {
                request(node, &mut stored, server("7:00000001", flushed, now_us)).unwrap();
                assert_eq!(stored, "7:00000001");
            }
        }
        // It is what it was at 100. The first node marks it, and the others go on with the mark.
        for (flushed, now_us) in [(120, 4), (130, 5), (900, 6)] {
            for node in [&one, &two, &Seen::default()] {
                request(node, &mut stored, server("7:00000001", flushed, now_us)).unwrap();
                assert_eq!(stored, "7:00000001#4");
            }
        }
        // And again: the mark of the snapshot is an old one.
        request(&two, &mut stored, server("7:00000001", 800, 7)).unwrap();
        assert_eq!(stored, "7:00000001#7");
        request(&two, &mut stored, server("7:00000002", 10, 8)).unwrap();
        assert_eq!(stored, "7:00000002");
    }

    #[test]
    fn requests_at_the_same_time_see_no_setback() {
        let seen = Seen::default();
        let (early, late) = (seen.before("b"), seen.before("b"));
        seen.committed("b", &late, server("7:00000001", 200, 2));
        let slow = server("7:00000001", 100, 1);
        assert_eq!(seen.history(&early, &slow, "").unwrap(), "7:00000001");
        seen.committed("b", &early, slow);
        assert_eq!(seen.before("b").flushed, 200);
    }

    #[test]
    fn a_commit_that_failed_leaves_the_setback_to_the_next_request() {
        let seen = Seen::default();
        let mut stored = String::new();
        request(&seen, &mut stored, server("7:00000001", 200, 1)).unwrap();
        let back = server("7:00000001", 100, 2);
        let before = seen.before("b");
        assert_eq!(
            seen.history(&before, &back, &stored).unwrap(),
            "7:00000001#2"
        );
        request(&seen, &mut stored, server("7:00000001", 110, 3)).unwrap();
        assert_eq!(stored, "7:00000001#3");
    }

    #[test]
    fn a_primary_that_was_replaced_is_refused() {
        let seen = Seen::default();
        let mut stored = String::new();
        request(&seen, &mut stored, server("7:00000001", 1, 1)).unwrap();
        request(&seen, &mut stored, server("7:00000010", 1, 2)).unwrap();
        let error = request(&seen, &mut stored, server("7:0000000F", 1, 3)).unwrap_err();
        assert!(error.to_string().contains("fence it"), "{error}");
        // Another system has timelines of its own, and a start has none.
        request(&seen, &mut stored, server("8:00000001", 1, 4)).unwrap();
        for start in ["start:200.5", "start:100"] {
            request(&seen, &mut stored, server(start, 1, 5)).unwrap();
        }
    }
}
