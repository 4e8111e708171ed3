//! The policies of a job as sentences.

use maud::{Markup, html};
use scheduled_one_control::CatalogedJob;

use super::parts::Tone;
use super::parts::state;

/// What is said of the schedule in addition to its text, in the order in which people ask.
const OF_SCHEDULE: [(&str, &str); 4] = [
    ("start", "Begins"),
    ("end", "Ends"),
    ("within", "Only within"),
    ("except", "Except"),
];

pub(crate) fn policies(cataloged: &CatalogedJob) -> Markup {
    let said = |key: &str| cataloged.descriptor.get(key).map(str::to_owned);
    html! {
        ul.sentences {
            @if said("enabled").as_deref() == Some("false") {
                li { (state(Tone::Warn, "Switched off")) " by the program: it has no ticks." }
            }
            @for (key, words) in OF_SCHEDULE {
                @if let Some(value) = said(key) { li { (words) " " b { (value.replace('\n', ", ")) } "." } }
            }
            @for sentence in sentences(said) { li { (sentence) } }
        }
    }
}

/// A word and the number in its parentheses: `queue_all(10)`.
fn word(value: &str) -> (&str, &str) {
    let (word, rest) = value.split_once('(').unwrap_or((value, ""));
    (word, rest.trim_end_matches(')'))
}

fn overlap(value: &str) -> String {
    match word(value) {
        ("queue_one", _) => {
            "A tick that comes while a run is active waits for it, one at most.".to_owned()
        }
        ("queue_all", most) => {
            format!("A tick that comes while a run is active waits for it, {most} at most.")
        }
        ("cancel_running", _) => {
            "A tick that comes while a run is active cancels that run.".to_owned()
        }
        ("allow", most) => format!("Up to {most} runs go on side by side."),
        _ => "A tick that comes while a run is active is skipped.".to_owned(),
    }
}

fn misfire(value: &str, window: &str) -> String {
    match value {
        "run_once" => {
            format!("After an outage one run makes up for the ticks of the last {window}.")
        }
        "run_all" => {
            format!("After an outage the ticks of the last {window} run one after another.")
        }
        _ => "Ticks of an outage are recorded as missed, and not caught up with.".to_owned(),
    }
}

fn sentences(said: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let plain = |key: &str| said(key).map(|value| value.trim_matches('"').to_owned());
    let or = |key: &str, default: &str| plain(key).unwrap_or_else(|| default.to_owned());
    let window = or("catch_up", "1h");
    let mut sentences = vec![
        overlap(&or("overlap", "skip")),
        misfire(&or("misfire", "skip"), &window),
    ];
    let mut add =
        |key, sentence: &dyn Fn(String) -> String| sentences.extend(plain(key).map(sentence));
    placement(&mut add);
    add("timeout", &|time| {
        format!("An attempt is cancelled after {time}.")
    });
    add("timeout_total", &|time| {
        format!("All attempts together are over after {time}.")
    });
    add("retries", &|times| {
        format!("A failed attempt is retried, {times} times at most.")
    });
    add("backoff", &|range| {
        format!("Between attempts it waits {}.", range.replace("..", " to "))
    });
    add("retry_on", &|what| {
        format!("Retried is only {}.", what.trim_matches(['[', ']']))
    });
    add("start_deadline", &|time| {
        format!("A tick that has not started after {time} is missed.")
    });
    add("lease", &|time| {
        format!("If its node dies, the job stands still for {time}.")
    });
    add("on_node_loss", &|value| match word(&value) {
        ("rerun", most) => {
            format!("If its node dies, another one runs the tick again, {most} times at most.")
        }
        _ => "If its node dies, the run is recorded as lost.".to_owned(),
    });
    add("on_lease_lost", &|value| match value.as_str() {
        "finish" => "A run whose lease is lost may finish.".to_owned(),
        _ => "A run whose lease is lost is cancelled.".to_owned(),
    });
    add("jitter", &|time| {
        format!("Starts are spread over {time} behind their ticks.")
    });
    add("pause_after", &|failures| {
        format!("After {failures} failures in a row it is paused.")
    });
    add("shards", &|count| {
        format!("Each tick is {count} runs, spread over the nodes.")
    });
    sentences
}

/// Where it runs.
fn placement(add: &mut impl FnMut(&'static str, &dyn Fn(String) -> String)) {
    add("scope", &|value| match value.as_str() {
        "every_node" => "Each node runs it by itself.".to_owned(),
        _ => "Each tick runs on one node.".to_owned(),
    });
    add("route", &|value| match value.as_str() {
        "spread" => "Its nodes take turns.".to_owned(),
        "fastest" => "Whichever node is first runs it.".to_owned(),
        "least_loaded" => {
            "The same node runs it, unless that has more to do than others.".to_owned()
        }
        _ => "The same node runs it as long as that lives.".to_owned(),
    });
    add("on", &|labels| match labels.strip_suffix(", *") {
        Some(labels) => {
            format!("Nodes with a label run it, the first preferred: {labels}; then any node.")
        }
        None => format!("Only nodes with a label run it, the first preferred: {labels}."),
    });
    add("max_running_of_group", &|runs| {
        format!("The jobs of its group have at most {runs} runs at the same time.")
    });
}

#[cfg(test)]
mod tests {
    use scheduled_one_schedule::policy::POLICY_KEYS;

    use super::*;

    #[test]
    fn where_a_job_runs_is_said_whatever_its_route() {
        let of = |key: &'static str, value: &'static str| {
            let said = move |name: &str| (name == key).then(|| value.to_owned());
            sentences(said).swap_remove(2)
        };
        let routes = ["sticky", "spread", "least_loaded", "fastest"];
        let routes: std::collections::BTreeSet<String> =
            routes.into_iter().map(|route| of("route", route)).collect();
        assert_eq!(routes.len(), 4, "{routes:?}");
        assert!(of("on", "gpu, big").ends_with("preferred: gpu, big."));
        assert!(of("on", "gpu, *").ends_with("preferred: gpu; then any node."));
        assert!(of("max_running_of_group", "3").contains("at most 3 runs"));
    }

    #[test]
    fn each_policy_has_a_sentence() {
        let without = sentences(|_| None);
        assert_eq!(without.len(), 2, "{without:?}");
        for key in POLICY_KEYS {
            let example = |name: &str| match (name, key.name) {
                ("misfire", "catch_up") => Some("run_all".to_owned()),
                _ => (name == key.name).then(|| key.example.to_owned()),
            };
            let with = sentences(example);
            assert_ne!(
                with, without,
                "{} = {} changes nothing",
                key.name, key.example
            );
            assert!(
                with.iter()
                    .all(|sentence| !sentence.contains(['"', '(', '['])),
                "{with:?}"
            );
        }
    }
}
