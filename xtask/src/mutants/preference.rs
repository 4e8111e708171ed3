//! Guards of preferences: which node claims what, and when.

use super::copy::Edit;
use super::list::{Mutant, Suite};

const ADOPTION: &str = "scheduled-one-runtime/src/node/adoption.rs";
const PEERS: &str = "scheduled-one-runtime/src/node/preference/peers.rs";
const LEARNING: &str = "scheduled-one-runtime/src/node/preference/learning.rs";
const LANE: &str = "scheduled-one-runtime/src/node/lane.rs";
const LEAD: &str = "scheduled-one-runtime/src/node/lead.rs";
const NODE: &str = "scheduled-one-runtime/src/node.rs";
const CLAIMING: &str = "scheduled-one-runtime/src/node/claiming.rs";
const HEARTBEAT: &str = "scheduled-one-runtime/src/node/heartbeat.rs";
const IDLE: &str = "scheduled-one-runtime/src/node/preference/idle.rs";
const PLANNING: &str = "scheduled-one-runtime/src/node/planning.rs";
const PREFERENCE: &str = "scheduled-one-runtime/src/node/preference.rs";
const COMPILED_JOB: &str = "scheduled-one-runtime/src/compiled_job.rs";
const VERDICT: &str = "scheduled-one-runtime/src/node/verdict.rs";
const SPREAD: &str = "scheduled-one-runtime/src/node/preference/spread.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "suspects-are-passed-over",
        edits: &[Edit {
            file: PREFERENCE,
            old: "!self.suspects.contains(&peer.key) || peer.key == self.me;",
            new: "peer.key >= EVERYBODY;",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::a_suspect_is_passed_over_with_a_delay_until_it_is_heard_again",
        )],
    },
    Mutant {
        name: "a-node-of-unknown-jobs-has-none-of-this-one",
        edits: &[
            Edit {
                file: PEERS,
                old: "            Shares::Nothing | Shares::Unknown => false,\n",
                new: "            Shares::Nothing => false,\n            Shares::Unknown => true,\n",
            },
            Edit {
                file: PEERS,
                old: "matches!(self.shares, Shares::All | Shares::Some(_))",
                new: "!matches!(self.shares, Shares::Nothing)",
            },
        ],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::a_job_prefers_only_nodes_that_have_it",
        )],
    },
    Mutant {
        name: "unclaimed-units-are-adopted",
        edits: &[Edit {
            file: ADOPTION,
            old: "                adopted.push(unit);\n",
            new: "",
        }],
        // Of other jobs, a node that claims nothing counts as idle, so their units prefer others at once.
        suites: &[Suite::Test(
            "preference",
            "what_catches_up_is_run_by_others_while_its_node_claims_nothing",
        )],
    },
    Mutant {
        name: "busy-ticks-are-not-claimed-at-once-again",
        edits: &[Edit {
            file: VERDICT,
            old: "if self.timer.is_due(index, now_ms + self.lead_ms) {",
            new: "if self.timer.is_taken(index) {",
        }],
        suites: &[Suite::Test(
            "preference",
            "busy::ticks_that_are_caught_up_with_are_claimed_now_and_then",
        )],
    },
    Mutant {
        name: "jobs-of-every-node-take-no-permit",
        edits: &[Edit {
            file: COMPILED_JOB,
            old: "group.filter(|_| self.rules.scope == Scope::One)",
            new: "group.filter(|_| self.rules.scope != Scope::One || self.rules.shards > 0)",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::jobs_of_every_node_take_no_permits_of_their_group",
        )],
    },
    Mutant {
        name: "idle-nodes-are-remembered",
        edits: &[Edit {
            file: IDLE,
            old: "            until_ms: now_ms + time_ms,\n",
            new: "            until_ms: now_ms,\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "others_stand_in_for_a_node_that_claims_nothing",
        )],
    },
    Mutant {
        name: "one-heartbeat-makes-no-node-idle",
        edits: &[Edit {
            file: IDLE,
            old: "let Some(before) = before.filter(|before| !before.is_forgotten(now_ms)) else {",
            new: "let before = before.unwrap_or(Idler { seen_ms: 0, until_ms: 0, time_ms: 0 });\n        \
                  let Some(before) = Some(before) else {",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::idle::tests::a_node_is_idle_when_the_second_heartbeat_shows_it",
        )],
    },
    Mutant {
        name: "a-slow-store-makes-no-node-idle",
        edits: &[Edit {
            file: HEARTBEAT,
            old: "let is_calm = self.hold.is_calm(now_ms) && !self.is_store_slow(now_ms);",
            new: "let is_calm = self.hold.is_calm(now_ms) || self.is_store_slow(now_ms);",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::claims_that_the_store_is_slow_with_make_no_node_idle",
        )],
    },
    Mutant {
        name: "a-slow-store-shows-no-node-that-hangs",
        edits: &[Edit {
            file: LANE,
            old: "let other = other.filter(|_| run.due_ms.is_some() && !is_slow);",
            new: "let other = other.filter(|_| run.due_ms.is_some() || is_slow);",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::claims_that_the_store_is_slow_with_make_no_node_idle",
        )],
    },
    Mutant {
        name: "if-most-nodes-seem-to-hang-it-is-the-store",
        edits: &[Edit {
            file: PREFERENCE,
            old: "2 * nodes.len() > all.max(2);",
            new: "nodes.len() > all;",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::if_most_nodes_seem_to_hang_it_is_the_store",
        )],
    },
    Mutant {
        name: "nodes-of-other-jobs-say-nothing-of-the-store",
        edits: &[Edit {
            file: PREFERENCE,
            old: "        let all = self.peers.related().count();\n",
            new: "        let all = self.peers.len();\n",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::if_most_nodes_seem_to_hang_it_is_the_store",
        )],
    },
    Mutant {
        name: "suspects-of-other-jobs-do-not-count",
        edits: &[Edit {
            file: PREFERENCE,
            old: "suspects.filter(|key| self.peers.is_related(**key));",
            new: "suspects.filter(|key| self.peers.get(**key).is_some());",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::suspects_that_have_other_jobs_hide_no_node_that_hangs",
        )],
    },
    Mutant {
        name: "claims-without-a-pause-are-many-waves",
        edits: &[Edit {
            file: LEAD,
            old: "    pub(super) fn all_is_sent(&mut self) {\n        self.is_open = false;\n",
            new: "    pub(super) fn all_is_sent(&mut self) {\n        self.is_open = !self.under_way.is_empty();\n",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::lead::tests::claims_without_a_pause_are_many_waves",
        )],
    },
    Mutant {
        name: "a-node-that-claims-is-not-idle",
        edits: &[Edit {
            file: PREFERENCE,
            old: "            self.idlers.forget(peer.key);\n",
            new: "            let _ = peer;\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::a_node_that_claims_again_is_not_idle_any_more",
        )],
    },
    Mutant {
        name: "what-was-planned-late-is-planned-anew",
        edits: &[Edit {
            file: PLANNING,
            old: "        for unit in std::mem::take(&mut self.delayed) {\n",
            new: "        for unit in std::iter::empty() {\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::from_the_end_of_a_dead_node_on_its_ticks_are_on_time",
        )],
    },
    Mutant {
        name: "a-spread-tick-is-left-to-its-node",
        edits: &[Edit {
            file: CLAIMING,
            old: "        self.claims_tick(units, index, &plan, now_ms)\n            .then_some(plan)\n",
            new: "        Some(plan)\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "a_spread_job_runs_on_all_nodes_each_tick_claimed_once",
        )],
    },
    Mutant {
        name: "disabled-jobs-show-no-idle-node",
        edits: &[Edit {
            file: ADOPTION,
            old: "rules.enabled && rules.misfire != Misfire::RunAll",
            new: "rules.misfire != Misfire::RunAll",
        }],
        suites: &[Suite::Test(
            "preference",
            "a_disabled_job_makes_no_node_idle",
        )],
    },
    Mutant {
        name: "spread-ticks-are-planned-anew",
        edits: &[Edit {
            file: PLANNING,
            old: "self.set_next_within(units, unit, TICKS_LOOKED_AT_AT_ONCE);",
            new: "let _ = TICKS_LOOKED_AT_AT_ONCE;",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::the_ticks_of_a_spread_job_follow_a_node_that_comes",
        )],
    },
    Mutant {
        name: "suspects-are-waited-for",
        edits: &[Edit {
            file: PREFERENCE,
            old: "            Some(_) => STAND_IN_DELAY_MS,\n",
            new: "            Some(_) => 0,\n",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::a_suspect_is_passed_over_with_a_delay_until_it_is_heard_again",
        )],
    },
    Mutant {
        name: "a-busy-node-keeps-its-units-until-others-know",
        edits: &[Edit {
            file: LEARNING,
            old: "busy.iter().filter(|node| was_named || !is_me(node));",
            new: "busy.iter().filter(|node| was_named || !node.is_empty());",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::a_node_that_calls_itself_busy_keeps_its_units_until_others_know",
        )],
    },
    Mutant {
        name: "a-leaving-node-says-so-at-once",
        edits: &[Edit {
            file: NODE,
            old: "                    self.heartbeat.send_another(now);\n                    let until",
            new: "                    let until",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::a_node_that_shuts_down_says_so_at_once",
        )],
    },
    Mutant {
        name: "a-job-prefers-nodes-that-have-it",
        edits: &[Edit {
            file: PEERS,
            old: "            Shares::Some(units) => units.contains(unit),\n",
            new: "            Shares::Some(units) => units.contains(unit) || unit < UnitIndex::MAX,\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "nodes_of_two_builds_share_what_both_have",
        )],
    },
    Mutant {
        name: "lists-of-jobs-are-asked-for-soon",
        edits: &[Edit {
            file: PREFERENCE,
            old: "        self.list_is_news || (was_replied && self.peers.has_unknown())\n",
            new: "        self.list_is_news && was_replied && self.peers.len() == 0\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::nodes_of_many_programs_know_each_other_soon",
        )],
    },
    Mutant {
        name: "one-node-takes-what-waits-in-a-spread-job",
        edits: &[Edit {
            file: SPREAD,
            old: "            true => self.is_tick_mine(units, unit, 0),\n            false => self.is_mine(unit),\n",
            new: "            true => true,\n            false => self.is_mine(unit),\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::a_request_for_a_spread_job_is_taken_by_one_node",
        )],
    },
    Mutant {
        name: "a-disabled-spread-job-is-planned-as-it-is-claimed",
        edits: &[Edit {
            file: PLANNING,
            old: "let is_spread = rules.route == Route::Spread && rules.enabled;",
            new: "let is_spread = rules.route == Route::Spread;",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::a_disabled_spread_job_stops_no_node",
        )],
    },
];
