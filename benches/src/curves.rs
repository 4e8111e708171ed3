//! What more nodes cost, as curves: now, and before units preferred nodes, when every node claimed every tick.

use crate::report::number;

/// A point of the curves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) nodes: usize,
    /// Start after the tick.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Part of a core that Redis used.
    pub(crate) redis_percent: f64,
    /// Hashes that Redis read for scripts, each second.
    pub(crate) hmgets_per_s: f64,
    /// Nodes that had a run.
    pub(crate) nodes_with_runs: usize,
}

/// Measured in November 2026 with the same figure on two cores and Redis 7.0.15, 200 jobs each second, 20 s each, with
/// the last version without preferences. That version is not measured again.
const BEFORE: [Point; 5] = [
    before(1, (2.1, 3.8), (1.6, 405.0), 1),
    before(2, (4.5, 11.2), (2.3, 1_006.0), 2),
    before(5, (12.2, 33.0), (4.3, 2_812.0), 5),
    before(10, (28.2, 61.1), (7.9, 5_822.0), 6),
    before(20, (59.5, 126.8), (14.1, 11_842.0), 8),
];

const fn before(
    nodes: usize,
    (p50_ms, p99_ms): (f64, f64),
    (redis_percent, hmgets_per_s): (f64, f64),
    nodes_with_runs: usize,
) -> Point {
    Point {
        nodes,
        p50_ms,
        p99_ms,
        redis_percent,
        hmgets_per_s,
        nodes_with_runs,
    }
}

/// The curves as Markdown; nothing without points.
pub(crate) fn markdown(points: &[Point]) -> String {
    if points.is_empty() {
        return String::new();
    }
    let mut text = "\n## By number of nodes\n\n\
        The figure `replicas`, before units preferred nodes → now.\n\
        Before: each node claimed each tick; measured once, on a machine of the same kind, and kept in `curves.rs`.\n\n\
        | nodes | start after the tick, p50 | p99 | Redis, of a core | `HMGET`, each second | nodes with runs |\n\
        | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for point in points {
        let before = BEFORE.iter().find(|before| before.nodes == point.nodes);
        let pair = |of: fn(&Point) -> f64, unit: &str| {
            let before = before.map_or("–".to_owned(), |before| number(of(before)));
            format!("{before} → {}{unit}", number(of(point)))
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            point.nodes,
            pair(|point| point.p50_ms, " ms"),
            pair(|point| point.p99_ms, " ms"),
            pair(|point| point.redis_percent, " %"),
            pair(|point| point.hmgets_per_s, ""),
            pair(|point| point.nodes_with_runs as f64, ""),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_nodes_is_next_to_what_it_was() {
        let point = |nodes| before(nodes, (2.0, 3.5), (1.0, 400.0), nodes);
        let text = markdown(&[point(2), point(50)]);
        assert!(
            text.contains(
                "| 2 | 4.50 → 2 ms | 11.2 → 3.50 ms | 2.30 → 1 % | 1,006 → 400 | 2 → 2 |\n"
            ),
            "{text}"
        );
        assert!(text.contains("| 50 | – → 2 ms |"), "{text}");
        assert_eq!(markdown(&[]), "");
    }
}
