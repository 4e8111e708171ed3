//! What the doctor prints after the clock of Redis was ahead.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_redis::RedisStore;
use scheduled_one_testkit::contract::{WayBack, check_way_back};
use test_support::{ClockShim, RedisServer};

struct Redis {
    server: RedisServer,
    clock: ClockShim,
}

impl WayBack for Redis {
    fn go_ahead(&mut self) {
        self.clock
            .forward(Duration::from_secs(7_200))
            .expect("ahead");
    }

    fn come_back(&mut self) {
        self.clock.set_us(0).expect("right");
    }

    fn run(&mut self, command: &str) {
        let mut parts = command.split('\'');
        let (Some("EVAL "), Some(script), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            panic!("{command}");
        };
        let words = ["EVAL", script].into_iter().chain(rest.split_whitespace());
        let changed = self.server.command(&words.collect::<Vec<_>>());
        assert_eq!(changed.expect("a reply").trim(), "3", "{command}");
    }
}

#[tokio::test]
async fn decisions_ahead_of_the_clock_are_taken_back() {
    let clock = ClockShim::new().expect("a clock");
    let server = RedisServer::options()
        .clock_shim(&clock)
        .start()
        .expect("a server");
    let store = RedisStore::connect(&server.url(), "test")
        .await
        .expect("a store");
    let mut redis = Redis { server, clock };
    let checked = check_way_back(&store, Arc::new(SystemClock), &mut redis).await;
    assert_eq!(checked, Ok(()));
}
