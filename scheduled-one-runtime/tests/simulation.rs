//! Random policies, outages, partitions and deaths of nodes, in virtual time: hours pass in milliseconds, and a seed is
//! one history.
//!
//! `SIMULATION_SEED=7` runs the seed 7 (`SIMULATION_LOG=1` shows its events), `SIMULATION_SEEDS=5000` runs 5,000 seeds.

mod simulation_world;

use simulation_world::{History, simulate};

const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_tick_is_accounted_for_and_no_invariant_breaks() {
    if std::env::var_os("SIMULATION_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .without_time()
            .with_ansi(false)
            .init();
    }
    let (first, count) = match number("SIMULATION_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("SIMULATION_SEEDS").unwrap_or(SEEDS)),
    };
    let next = std::sync::atomic::AtomicU64::new(first);
    let total = std::sync::Mutex::new(History::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let history = simulate(seed);
                    history.check(seed);
                    total.lock().expect("lock").count(&history);
                }
            });
        }
    });
    let total = total.into_inner().expect("lock");
    println!("{}", total.summary());
    if count >= SEEDS {
        total.assert_all_happened();
    }
}

#[test]
fn a_seed_is_one_history() {
    for seed in [1, 2, 3] {
        let (one, other) = (simulate(seed), simulate(seed));
        assert_eq!(one.log, other.log, "seed {seed}");
        assert_eq!(one.audits, other.audits, "seed {seed}");
    }
}
