//! Nodes of two releases, of which one has a higher generation.

use model_tests::{Config, Faults, check};

/// It decides, whichever starts last.
#[test]
fn the_schedule_of_a_higher_generation_decides() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 4, 8],
        other_ticks: vec![2, 6, 9],
        other_generation: 1,
        horizon: 10,
        faults: Faults {
            crashes: 1,
            restarts: 1,
            ..Faults::default()
        },
        ..Config::new("two generations: a node dies and starts again")
    });
}
