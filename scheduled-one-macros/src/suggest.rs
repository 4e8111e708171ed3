//! Suggestions for misspelt names: "did you mean".

use scheduled_one_schedule::distance;

/// The candidates that are nearest to what was written: those of the least distance, if they are near at all.
pub(crate) fn near<'a>(written: &str, candidates: &[&'a str]) -> Vec<&'a str> {
    // Up to a third of the word may be wrong, but never all of a candidate.
    let limit = written.len().div_ceil(3);
    let distances = candidates
        .iter()
        .map(|candidate| (distance(written, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len());
    let distances: Vec<(usize, &str)> = distances.collect();
    let least = distances.iter().map(|(distance, _)| *distance).min();
    distances
        .into_iter()
        .filter(|(distance, _)| Some(*distance) == least)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// The candidate that is nearest to what was written, if one is near.
pub(crate) fn nearest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    near(written, candidates).first().copied()
}

#[cfg(test)]
mod tests {
    use super::{distance, near, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("cron", "cron", 0),
            ("corn", "cron", 1),
            ("evry", "every", 1),
            ("leese", "lease", 1),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn nothing_is_near_to_nonsense() {
        let keys = ["cron", "every", "tz"];
        assert_eq!(nearest("corn", &keys), Some("cron"));
        assert_eq!(nearest("foo", &keys), None);
        assert_eq!(nearest("ab", &keys), None);
    }

    #[test]
    fn all_that_are_equally_near_are_offered() {
        let keys = ["on_lease_lost", "on_node_loss", "retries"];
        assert_eq!(near("on_node_los", &keys), ["on_node_loss"]);
        let keys = ["lease", "least", "tz"];
        assert_eq!(near("leas", &keys), ["lease", "least"]);
        assert_eq!(near("retries", &keys), [""; 0]);
    }
}
