//! The live picture: time goes down, each node has a column.

use std::sync::LazyLock;
use std::time::Instant;

use crate::processes::{NODES, name};
use crate::report::{Report, What};

const COLUMN: usize = 13;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Says what is done next, or what it means.
pub(crate) fn tell(text: &str) {
    println!("{:>5.1} s ── {text}", BEGAN.elapsed().as_secs_f32());
}

pub(crate) fn head() {
    LazyLock::force(&BEGAN);
    let names: String = (0..NODES)
        .map(|node| format!("{:<COLUMN$}", name(node)))
        .collect();
    println!("\n          {}", names.trim_end());
}

/// Writes into the column of a node.
pub(crate) fn mark(node: usize, text: &str) {
    let columns: String = (0..NODES)
        .map(|column| if column == node { text } else { "·" })
        .map(|text| format!("{text:<COLUMN$}"))
        .collect();
    println!(
        "{:>5.1} s   {}",
        BEGAN.elapsed().as_secs_f32(),
        columns.trim_end()
    );
}

pub(crate) fn show(node: usize, report: &Report) {
    match report {
        Report::Up { .. } => mark(node, "is up"),
        Report::Stopping { .. } => mark(node, "stops"),
        Report::Seen(seen) => match seen.what {
            What::Starts if seen.job == "fast" => mark(node, "fast"),
            What::Starts => mark(node, &format!("{} begins", seen.job)),
            What::Ends if seen.job != "fast" => mark(node, &format!("{} ends", seen.job)),
            What::Dropped => mark(node, &format!("{} dropped", seen.job)),
            What::Ends | What::Polled => {}
        },
        Report::Stopped => mark(node, "has stopped"),
        Report::Ledger(_) => {}
    }
}
