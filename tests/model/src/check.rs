//! Explores a configuration, and reports the result.

use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::config::Config;

/// Explores all histories. Panics with the shortest history that breaks a promise, or with the names of the properties
/// that had to be seen and were not.
pub fn check(config: Config) {
    let name = config.name;
    let broken = explore(config, HasDiscoveries::AnyFailures);
    assert!(broken.is_empty(), "{name}: {}", broken.join("\n"));
}

/// Explores until a history breaks the promise, and returns the shortest such history. `None` if the promise holds.
pub fn found(config: Config, property: &'static str) -> Option<String> {
    let until = HasDiscoveries::AnyOf([property].into());
    let broken = explore(config, until);
    broken
        .into_iter()
        .find(|broken| broken.starts_with(property))
}

/// Asserts that without a guard some history breaks a promise.
pub fn check_until_found(config: Config, property: &'static str) {
    let name = config.name;
    let found = found(config, property);
    let found = found.unwrap_or_else(|| panic!("{name}: {property} holds without the guard"));
    println!("{name}: {found}");
}

fn explore(config: Config, until: HasDiscoveries) -> Vec<String> {
    let began = Instant::now();
    let (name, properties) = (config.name, config.properties());
    let checker = config.checker().finish_when(until).spawn_bfs().join();
    println!(
        "{name}: {} states, {} different, depth {}, {:.1?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    let mut broken = Vec::new();
    for property in properties {
        let discovery = checker.discovery(property.name);
        match (property.expectation, discovery) {
            (Expectation::Sometimes, None) => broken.push(format!("{}: never", property.name)),
            (Expectation::Always, Some(path)) => {
                let steps = path.into_actions();
                let steps: Vec<String> = steps.iter().map(|step| step.to_string()).collect();
                broken.push(format!("{}:\n  {}", property.name, steps.join("\n  ")));
            }
            _ => {}
        }
    }
    broken
}
