//! What the doctor prints after the clock of the machine was ahead.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use scheduled_one_protocol::BoxFuture;
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_sqlite::SqliteStore;
use scheduled_one_testkit::contract::{WayBack, check_way_back};

/// The clock of the machine, ahead by so many seconds.
#[derive(Clone, Debug, Default)]
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn boottime(&self) -> Duration {
        SystemClock.boottime()
    }

    fn wall(&self) -> Duration {
        SystemClock.wall() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time)
    }
}

struct Sqlite {
    clock: Ahead,
    path: PathBuf,
}

impl WayBack for Sqlite {
    fn go_ahead(&mut self) {
        self.clock.0.store(7_200, Ordering::SeqCst);
    }

    fn come_back(&mut self) {
        self.clock.0.store(0, Ordering::SeqCst);
    }

    fn run(&mut self, command: &str) {
        let stranger = Connection::open(&self.path).expect("the file");
        assert_eq!(stranger.execute(command, []), Ok(3), "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_ahead_of_the_clock_are_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let clock = Ahead::default();
    let url = format!("sqlite://{}", path.display());
    let store = SqliteStore::new(&url, "test", Arc::new(clock.clone())).expect("a URL");
    let mut sqlite = Sqlite {
        clock: clock.clone(),
        path,
    };
    let checked = check_way_back(&store, Arc::new(clock), &mut sqlite).await;
    assert_eq!(checked, Ok(()));
}
