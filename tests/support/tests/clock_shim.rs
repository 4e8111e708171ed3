//! The clock of a running process is moved, and no other clock.

use std::process::Command;
use std::time::Duration;

use test_support::{ClockShim, RedisServer};

const HOUR_US: i64 = 3_600_000_000;

/// More than a slow machine takes between two looks at two clocks, less than any shift here.
const NOISE_US: i64 = 10_000_000;

#[test]
fn the_clock_of_a_running_redis_moves() {
    let clock = ClockShim::new().unwrap();
    let shifted = RedisServer::options().clock_shim(&clock).start().unwrap();
    let right = RedisServer::start().unwrap();
    let ahead = || time_us(&shifted) - time_us(&right);
    assert_near(ahead(), 0);

    clock.forward(Duration::from_secs(3600)).unwrap();
    assert_near(ahead(), HOUR_US);
    clock.back(Duration::from_secs(3630)).unwrap();
    assert_eq!(clock.offset_us(), -30_000_000);
    assert_near(ahead(), -30_000_000);
    clock.set_us(HOUR_US + 999_999).unwrap();
    assert_near(ahead(), HOUR_US);

    // A restarted server has the same clock, even when nobody else has it any more.
    drop(clock);
    shifted.restart().unwrap();
    assert_near(ahead(), HOUR_US);
}

#[test]
fn other_processes_take_it_from_their_environment() {
    let clock = ClockShim::new().unwrap();
    clock.set_us(-HOUR_US).unwrap();
    let date = |env: Vec<_>| {
        let output = Command::new("date").arg("+%s").envs(env).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse::<i64>().unwrap() * 1_000_000
    };
    let right = date(Vec::new());
    assert_near(date(clock.env().into()) - right, -HOUR_US);
}

fn assert_near(found: i64, expected: i64) {
    let off = (found - expected).abs();
    assert!(off < NOISE_US, "{found} µs ahead, not {expected}");
}

fn time_us(redis: &RedisServer) -> i64 {
    let answer = redis.command(&["TIME"]).expect("a live server");
    let (seconds, micros) = answer.split_once('\n').expect("two numbers");
    let number = |text: &str| text.parse::<i64>().expect("a number");
    number(seconds) * 1_000_000 + number(micros)
}
