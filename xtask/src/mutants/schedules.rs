//! Guards of jobs that are gone, and of backfills.

use super::copy::Edit;
use super::list::{CLAIM, MACHINE_CLAIM, MACHINE_SCHEDULE, Mutant, REGISTER, Suite};

const BACKFILL: &str = "scheduled-one-runtime/src/node/backfill.rs";
const GONE: &str = "scheduled-one-runtime/src/node/gone.rs";
const LOOKING: &str = "scheduled-one-runtime/src/node/gone/looking.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    // A job is registered as gone although a node has started with it since.
    Mutant {
        name: "no-look-before-gone",
        edits: &[
            Edit {
                file: REGISTER,
                old: "takes_over = r.sch == seen and now >=",
                new: "takes_over = now >=",
            },
            Edit {
                file: MACHINE_SCHEDULE,
                old: "register.decides.as_ref() == Some(decides) && !is_quarantined()",
                new: "!is_quarantined() || register.decides.as_ref() == Some(decides)",
            },
        ],
        suites: &[Suite::Model("a_job_is_gone_and_returns")],
    },
    Mutant {
        name: "living-nodes-keep-a-job",
        edits: &[Edit {
            file: LOOKING,
            old: "            (Some(_), Some(_)) => true,\n",
            new: "            (Some(_), Some(_)) => false,\n",
        }],
        suites: &[Suite::Test(
            "gone",
            "a_job_that_a_living_node_or_another_program_has_is_not_gone",
        )],
    },
    Mutant {
        name: "living-nodes-keep-a-shard",
        edits: &[Edit {
            file: LOOKING,
            old: "            (Some(shards), None) => unit.shard() < *shards,\n",
            new: "            (Some(_), None) => false,\n",
        }],
        suites: &[Suite::Test(
            "gone_shards",
            "shards_that_a_living_node_has_wait_for_it",
        )],
    },
    Mutant {
        name: "a-job-goes-after-two-minutes",
        edits: &[Edit {
            file: GONE,
            old: "missing.is_some_and(|(since, _)| self.beats - since >= GRACE)",
            new: "missing.is_some_and(|(since, _)| self.beats - since <= GRACE * 1_000)",
        }],
        suites: &[Suite::Test(
            "gone",
            "a_job_that_somebody_has_again_within_two_minutes_is_not_gone",
        )],
    },
    Mutant {
        name: "what-waits-in-a-gone-job-ends",
        edits: &[Edit {
            file: GONE,
            old: "self.gone.contains(unit.job()) || self.left_gone",
            new: "self.left_gone",
        }],
        suites: &[Suite::Test(
            "gone",
            "what_waited_in_a_job_that_is_gone_ends",
        )],
    },
    Mutant {
        name: "what-waits-in-a-gone-shard-ends",
        edits: &[Edit {
            file: GONE,
            old: "self.gone.contains(unit.job()) || self.left_gone.contains(&of_shard(unit))",
            new: "self.gone.contains(unit.job())",
        }],
        suites: &[Suite::Test(
            "gone_shards",
            "what_waits_in_shards_that_a_release_has_not_ends",
        )],
    },
    // More is asked for than ends before the next tick of the schedule.
    Mutant {
        name: "backfills-leave-room",
        edits: &[Edit {
            file: BACKFILL,
            old: "fits.max(self.least(period, now)).min(at_a_time)",
            new: "fits.max(self.least(period, now)).max(at_a_time)",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::backfill::tests::no_more_is_open_than_ends_before_the_next_tick",
        )],
    },
    Mutant {
        name: "backfills-go-on-one-by-one",
        edits: &[Edit {
            file: BACKFILL,
            old: "fits.max(self.least(period, now)).min(at_a_time)",
            new: "fits.max(self.least(period, now) * 0).min(at_a_time)",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::backfill::tests::runs_that_take_longer_than_a_period_go_on_one_by_one",
        )],
    },
    Mutant {
        name: "backfills-are-of-one-schedule",
        edits: &[Edit {
            file: BACKFILL,
            old: "let is_same = ScheduleId(schedule.identity().as_u64()) == backfill.schedule;",
            new: "let is_same = true;",
        }],
        suites: &[Suite::Test(
            "backfill",
            "schedules::a_backfill_ends_when_its_job_has_another_schedule",
        )],
    },
    // A tick is skipped because a run of a backfill is in its way.
    Mutant {
        name: "ticks-wait-for-backfills",
        edits: &[
            Edit {
                file: CLAIM,
                old: "return from and from.cause == 'backfill' and free_slot(0) ~= nil",
                new: "return false",
            },
            Edit {
                file: MACHINE_CLAIM,
                old: "is_skipped && is_backfill && free_slot(unit, 0).is_some()",
                new: "is_skipped && is_backfill && free_slot(unit, 0).is_some() && false",
            },
        ],
        suites: &[Suite::Test(
            "backfill",
            "schedules::no_tick_is_skipped_for_a_run_that_takes_longer_than_a_period",
        )],
    },
];
