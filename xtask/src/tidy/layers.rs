//! What a part of the project may not refer to: the invariants of absence in `ARCHITECTURE.md`.

use std::collections::BTreeMap;

use super::Finding;
use super::paths::{Path, Place, paths, without_tests};
use super::tree::{File, Kind, Tree};

const RULE: &str = "layer";

/// A border. Tests are not held to it.
struct Layer {
    /// Files whose path begins with one of these …
    within: &'static [&'static str],
    /// … unless it begins with one of these …
    except: &'static [&'static str],
    /// … refer to no path that begins with one of these.
    absent: &'static [&'static str],
    /// Where the thing belongs.
    instead: &'static str,
}

const PUBLISHED: &[&str] = &[
    "scheduled-one-schedule/src/",
    "scheduled-one-protocol/src/",
    "scheduled-one-macros/src/",
    "scheduled-one-redis/src/",
    "scheduled-one-postgres/src/",
    "scheduled-one-sqlite/src/",
    "scheduled-one-control/src/",
    "scheduled-one-alerts/src/",
    "scheduled-one-cli/src/",
    "scheduled-one-console/src/",
    "scheduled-one-runtime/src/",
];
const STORES: &[&str] = &[
    "scheduled_one_redis",
    "scheduled_one_postgres",
    "scheduled_one_sqlite",
];
const CLOCKS: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "tokio::time::Instant::now",
    "chrono::Utc::now",
    "chrono::Local::now",
    "rustix::time",
];
const IO: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "tokio",
];

const LAYERS: &[Layer] = &[
    Layer {
        within: PUBLISHED,
        except: &["scheduled-one-redis/src/"],
        absent: &["redis", "deadpool_redis"],
        instead: "commands, keys and client types of Redis belong into `scheduled-one-redis`",
    },
    Layer {
        within: PUBLISHED,
        except: &["scheduled-one-postgres/src/"],
        absent: &["tokio_postgres", "deadpool_postgres"],
        instead: "statements, rows and client types of PostgreSQL belong into `scheduled-one-postgres`",
    },
    Layer {
        within: PUBLISHED,
        except: &["scheduled-one-sqlite/src/"],
        absent: &["rusqlite"],
        instead: "statements, rows and files of SQLite belong into `scheduled-one-sqlite`",
    },
    Layer {
        within: PUBLISHED,
        except: &[
            "scheduled-one-redis/src/",
            "scheduled-one-postgres/src/",
            "scheduled-one-alerts/src/tls.rs",
            "scheduled-one-alerts/src/http.rs",
        ],
        absent: &["rustls"],
        instead: "a store encrypts its own connections, and `http.rs` of the alerts those of channels",
    },
    Layer {
        within: &["scheduled-one-runtime/src/", "scheduled-one-control/src/"],
        except: &[
            "scheduled-one-control/src/store_url.rs",
            // Its options, and its error.
            "scheduled-one-runtime/src/scheduler/store_config.rs",
            "scheduled-one-runtime/src/lib.rs",
        ],
        absent: STORES,
        instead: "`store_url.rs` of `scheduled-one-control` alone makes a store of a URL; use the trait `Store`",
    },
    Layer {
        within: &["scheduled-one-schedule/src/", "scheduled-one-macros/src/"],
        except: &[],
        absent: &[
            "scheduled_one_protocol",
            "scheduled_one_redis",
            "scheduled_one_postgres",
            "scheduled_one_sqlite",
            "scheduled_one_runtime",
            "tokio",
            "tracing",
        ],
        instead: "schedules and the attribute are below the protocol; move what needs it into `scheduled-one-runtime`",
    },
    Layer {
        within: &["scheduled-one-protocol/src/"],
        except: &[],
        absent: &[
            "scheduled_one_redis",
            "scheduled_one_postgres",
            "scheduled_one_sqlite",
            "scheduled_one_runtime",
            "scheduled_one_macros",
        ],
        instead: "the protocol is below stores and the runtime; move what needs them up",
    },
    Layer {
        within: &["scheduled-one-control/src/"],
        except: &[],
        absent: &["scheduled_one_runtime", "scheduled_one_macros"],
        instead: "control is below the runtime; move what needs it up",
    },
    Layer {
        within: &["scheduled-one-cli/src/"],
        // Shows the tables of PostgreSQL.
        except: &["scheduled-one-cli/src/commands/schema.rs"],
        absent: &[
            "scheduled_one_redis",
            "scheduled_one_postgres",
            "scheduled_one_sqlite",
            "scheduled_one_runtime",
        ],
        instead: "the command is a shell over `Control`; what it can do, a program can do",
    },
    Layer {
        within: &["scheduled-one-testkit/src/"],
        except: &[],
        absent: &[
            "scheduled_one_redis",
            "scheduled_one_postgres",
            "scheduled_one_sqlite",
            "scheduled_one_runtime",
            "redis",
            "tracing",
        ],
        instead: "the kit judges any store; what needs this one belongs into its own tests",
    },
    Layer {
        within: &[
            "scheduled-one-redis/src/",
            "scheduled-one-postgres/src/",
            "scheduled-one-sqlite/src/",
        ],
        except: &[],
        absent: &["scheduled_one_runtime", "scheduled_one_macros"],
        instead: "a store is below the runtime; move what needs it up",
    },
    Layer {
        within: &["scheduled-one-alerts/src/"],
        except: &[],
        absent: &[
            "scheduled_one_runtime",
            "scheduled_one_macros",
            "scheduled_one_redis",
            "scheduled_one_postgres",
            "scheduled_one_sqlite",
        ],
        instead: "alerts are below the runtime, and read ledgers by their trait `Source`",
    },
    Layer {
        within: &["scheduled-one-console/src/"],
        except: &[],
        absent: &[
            "scheduled_one_runtime",
            "scheduled_one_macros",
            "scheduled_one_redis",
            "scheduled_one_postgres",
            "scheduled_one_sqlite",
        ],
        instead: "the console acts through `Control` alone; move what needs more there",
    },
    Layer {
        within: PUBLISHED,
        // The command serves the console.
        except: &[
            "scheduled-one-console/src/",
            "scheduled-one-cli/src/commands/console.rs",
        ],
        absent: &["axum", "maud", "tower"],
        instead: "pages and requests of browsers belong into `scheduled-one-console`",
    },
    Layer {
        within: PUBLISHED,
        except: &["scheduled-one-alerts/src/"],
        absent: &["hyper", "hyper_util", "lettre"],
        instead: "HTTP and mail belong into `scheduled-one-alerts`",
    },
    Layer {
        within: PUBLISHED,
        except: &[
            "scheduled-one-runtime/src/event.rs",
            "scheduled-one-runtime/src/event/",
            // Receives what runs log.
            "scheduled-one-console/src/run_logs/layer.rs",
        ],
        absent: &[
            "tracing::trace",
            "tracing::debug",
            "tracing::info",
            "tracing::warn",
            "tracing::error",
            "tracing::event",
            "tracing::span",
            "tracing::instrument",
            "tracing::trace_span",
            "tracing::debug_span",
            "tracing::info_span",
            "tracing::warn_span",
            "tracing::error_span",
            "log",
            "std::println",
            "std::eprintln",
        ],
        instead: "events and spans are made in `event.rs` of the runtime; add a function there",
    },
    Layer {
        within: &[
            "scheduled-one-schedule/src/",
            "scheduled-one-protocol/src/",
            "scheduled-one-redis/src/",
            "scheduled-one-postgres/src/",
            "scheduled-one-sqlite/src/",
            "scheduled-one-alerts/src/",
        ],
        except: &[],
        absent: &["tracing"],
        instead: "return what happened; `event.rs` of the runtime logs it",
    },
    Layer {
        within: PUBLISHED,
        // For the time limits of its calls.
        except: &[
            "scheduled-one-protocol/src/clock.rs",
            "scheduled-one-redis/src/",
            "scheduled-one-postgres/src/",
        ],
        absent: CLOCKS,
        instead: "take the instant as an argument, or read it from a `Clock`",
    },
    Layer {
        within: &["scheduled-one-redis/src/", "scheduled-one-postgres/src/"],
        except: &[],
        absent: &["std::time::SystemTime", "chrono", "rustix::time"],
        instead: "the store's clock is that of the server, and limits of calls are instants of `tokio::time`",
    },
    Layer {
        within: &[
            "scheduled-one-schedule/src/",
            "scheduled-one-protocol/src/machine",
            "scheduled-one-protocol/src/message/",
            "scheduled-one-protocol/src/outcome.rs",
            "scheduled-one-runtime/src/audit.rs",
            "scheduled-one-runtime/src/tick.rs",
            "scheduled-one-runtime/src/timer.rs",
            "scheduled-one-runtime/src/retry.rs",
            "scheduled-one-runtime/src/node/hold_up.rs",
            "scheduled-one-runtime/src/node/stall_watch.rs",
            "scheduled-one-redis/src/doctor/",
            "scheduled-one-alerts/src/alert.rs",
            "scheduled-one-alerts/src/cursor.rs",
            "scheduled-one-alerts/src/engine",
            "scheduled-one-alerts/src/facts.rs",
            "scheduled-one-alerts/src/markdown.rs",
            "scheduled-one-alerts/src/outbox.rs",
            "scheduled-one-alerts/src/rule",
            "scheduled-one-alerts/src/state.rs",
            "scheduled-one-alerts/src/channel/reply.rs",
            "scheduled-one-alerts/src/monitor/pace.rs",
            "scheduled-one-console/src/page/",
            "scheduled-one-console/src/same_origin.rs",
            "scheduled-one-console/src/text.rs",
            "scheduled-one-control/src/rights.rs",
        ],
        // Reads the rules of time zones.
        except: &["scheduled-one-schedule/src/zone_data.rs"],
        absent: IO,
        instead: "this file is a function of its arguments; do it where it is called, and pass the result",
    },
    Layer {
        within: PUBLISHED,
        except: &[
            "scheduled-one-runtime/src/alarm.rs",
            "scheduled-one-runtime/src/watchdog.rs",
            "scheduled-one-sqlite/src/handle.rs",
        ],
        absent: &["std::thread::spawn", "std::thread::Builder"],
        instead: "the only threads are those of `watchdog.rs`, of `alarm.rs`, and of SQLite in `handle.rs`",
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, LAYERS)
}

fn check_with(tree: &Tree, layers: &[Layer]) -> Vec<Finding> {
    let files = tree
        .of_kind(Kind::Rust)
        .flat_map(|file| of_file(file, layers));
    files.chain(dead(tree, layers)).collect()
}

fn of_file(file: &File, layers: &[Layer]) -> Vec<Finding> {
    let begins = |with: &&&str| file.path.starts_with(**with);
    let layers = layers.iter().filter(|layer| {
        layer.within.iter().any(|with| begins(&with))
            && !layer.except.iter().any(|with| begins(&with))
    });
    let layers: Vec<&Layer> = layers.collect();
    if layers.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, path) in full_paths(&without_tests(&file.source.code())) {
        let broken = layers
            .iter()
            .filter(|layer| layer.absent.iter().any(|absent| is_below(&path, absent)));
        findings.extend(broken.map(|layer| Finding {
            file: file.path.clone(),
            line,
            rule: RULE,
            text: format!("refers to `{path}`: {}", layer.instead),
        }));
    }
    findings
}

/// A row about files that do not exist holds nothing.
fn dead(tree: &Tree, layers: &[Layer]) -> Vec<Finding> {
    let named = layers
        .iter()
        .flat_map(|layer| layer.within.iter().chain(layer.except));
    let dead = named.filter(|name| !tree.files.iter().any(|file| file.path.starts_with(**name)));
    dead.map(|name| Finding {
        file: "xtask/src/tidy/layers.rs".to_owned(),
        line: 1,
        rule: RULE,
        text: format!("no file begins with `{name}`; correct the row of the table, or remove it"),
    })
    .collect()
}

fn is_below(path: &str, absent: &str) -> bool {
    path.strip_prefix(absent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// All paths into other crates, with names from a `use` replaced by what they stand for.
fn full_paths(code: &str) -> Vec<(usize, String)> {
    let paths = paths(code);
    let aliases: BTreeMap<&str, &Path> = paths
        .iter()
        .filter_map(|path| match &path.place {
            Place::Use {
                name: Some(name), ..
            } => Some((name.as_str(), path)),
            _ => None,
        })
        .collect();
    let full = paths.iter().map(|path| {
        let alias = match path.place {
            Place::Code => aliases.get(path.segments[0].as_str()),
            Place::Use { .. } => None,
        };
        let segments = match alias {
            Some(alias) => [&alias.segments, &path.segments[1..]].concat(),
            None => path.segments.clone(),
        };
        (path.line, segments.join("::"))
    });
    full.filter(|(_, path)| !is_own(path)).collect()
}

fn is_own(path: &str) -> bool {
    ["crate", "self", "super"]
        .iter()
        .any(|own| is_below(path, own))
}

#[cfg(test)]
mod tests;
