//! All instruments there are: name, kind, unit and meaning. `docs/metrics.md` is the list for users.

use crate::metrics::family::{MetricFamily, MetricKind, MetricSample};

/// An instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    kind: MetricKind,
    unit: &'static str,
    help: &'static str,
}

impl Definition {
    pub(super) fn with(self, samples: Vec<MetricSample>) -> MetricFamily {
        MetricFamily {
            name: self.name,
            kind: self.kind,
            unit: self.unit,
            help: self.help,
            samples,
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Definition {
    Definition {
        name,
        kind: MetricKind::Counter,
        unit: "",
        help,
    }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Definition {
    Definition {
        name,
        kind: MetricKind::Gauge,
        unit,
        help,
    }
}

const fn seconds(name: &'static str, help: &'static str) -> Definition {
    Definition {
        name,
        kind: MetricKind::Histogram,
        unit: "seconds",
        help,
    }
}

pub(super) const BUILD: Definition = Definition {
    name: "scheduled_one_build",
    kind: MetricKind::Info,
    unit: "",
    help: "Version of scheduled-one and namespace of the node.",
};
pub(super) const START: Definition = gauge(
    "scheduled_one_start_timestamp_seconds",
    "seconds",
    "When the scheduler of this node started, and its counters were 0. Absent until the store has replied once.",
);
pub(super) const RUNS: Definition = counter(
    "scheduled_one_runs",
    "Runs that ended on this node, by outcome and by why they were made.",
);
pub(super) const RUN_DURATION: Definition = seconds(
    "scheduled_one_run_duration_seconds",
    "Time from the first call of a run's function to the end of the run, retries included.",
);
pub(super) const RUN_LATENESS: Definition = seconds(
    "scheduled_one_run_lateness_seconds",
    "Time from when a tick was due, jitter included, to the first call of its function.",
);
pub(super) const TICKS_MISSED: Definition = counter(
    "scheduled_one_ticks_missed",
    "Ticks that this node recorded as missed, by reason as in the ledger.",
);
pub(super) const TICKS_SKIPPED: Definition = counter(
    "scheduled_one_ticks_skipped",
    "Ticks that this node recorded as skipped because of a policy, by reason as in the ledger.",
);
pub(super) const RUNS_ACTIVE: Definition = gauge(
    "scheduled_one_runs_active",
    "",
    "Runs that are active on this node.",
);
pub(super) const RUN_AGE: Definition = gauge(
    "scheduled_one_run_age_seconds",
    "seconds",
    "Age of the oldest active run on this node; 0 if there is none.",
);
pub(super) const LAST_SUCCESS: Definition = gauge(
    "scheduled_one_job_last_success_timestamp_seconds",
    "seconds",
    "When a run last ended without an error, as this node knows; 0 if it knows none. Nodes know different runs: use \
     max by (job_name).",
);
pub(super) const LAST_RUN: Definition = gauge(
    "scheduled_one_job_last_run_timestamp_seconds",
    "seconds",
    "When a run last ended, as this node knows; 0 if it knows none. Nodes know different runs: use max by (job_name).",
);
pub(super) const NEXT_TICK: Definition = gauge(
    "scheduled_one_job_next_tick_timestamp_seconds",
    "seconds",
    "The next tick by the schedule of this node; 0 if there is none, or if the job is disabled. The same on all nodes: \
     use max by (job_name).",
);
pub(super) const PAUSED: Definition = gauge(
    "scheduled_one_job_paused",
    "",
    "1 if the job is paused, as this node knows. The same on all nodes: use max by (job_name).",
);
pub(super) const FAILURES: Definition = gauge(
    "scheduled_one_job_consecutive_failures",
    "",
    "Runs that failed since the last one without an error. Reported by the node that the job prefers, 0 on the \
     others: use max by (job_name).",
);
pub(super) const WAITING: Definition = gauge(
    "scheduled_one_job_waiting",
    "",
    "Ticks that wait for the run before them. Reported by the node that the job prefers, 0 on the others: use \
     max by (job_name).",
);
pub(super) const RETRIES: Definition = counter(
    "scheduled_one_retries",
    "Attempts that followed a failed one in the same run, on this node.",
);
pub(super) const TAKEOVERS: Definition = counter(
    "scheduled_one_takeovers",
    "Runs of dead nodes that this node wrote off, and that another attempt follows. Jobs that this node does not \
     have are counted as other.",
);
pub(super) const LOST: Definition = counter(
    "scheduled_one_lost",
    "Runs that this node recorded as lost: their nodes died. Jobs that this node does not have are counted as other.",
);
pub(super) const WITHOUT_LEASE: Definition = counter(
    "scheduled_one_finished_without_lease",
    "Runs or attempts of this node that ended after they were written off.",
);
pub(super) const UNACCOUNTED: Definition = counter(
    "scheduled_one_unaccounted_ticks",
    "Decided ticks without an outcome in the ledger, as this node's audit found. Must be 0.",
);
pub(super) const CLAIMS: Definition =
    counter("scheduled_one_claims", "Claims of this node, by verdict.");
pub(super) const LEASES_LOST: Definition = counter(
    "scheduled_one_leases_lost",
    "Runs of this node that lost their leases: they were written off or superseded.",
);
pub(super) const READOPTED: Definition = counter(
    "scheduled_one_readopted",
    "Runs of this node that the store had forgotten and took back.",
);
pub(super) const REQUESTS: Definition = seconds(
    "scheduled_one_store_request_duration_seconds",
    "Time from a request to the store to its reply, by operation and result.",
);
#[cfg(feature = "alerts")]
pub(super) const ALERTS_FIRING: Definition = gauge(
    "scheduled_one_alerts_firing",
    "",
    "Jobs and other subjects that a rule fires for, as this node knows. Nodes that do not evaluate learn it within six \
     evaluations: use max by (rule).",
);
#[cfg(feature = "alerts")]
pub(super) const ALERTS_EVALUATED: Definition = gauge(
    "scheduled_one_alerts_evaluated_timestamp_seconds",
    "seconds",
    "When this node evaluated the rules of alerts last; 0 if it has not. One node does it at a time: use max.",
);
#[cfg(feature = "alerts")]
pub(super) const ALERT_DELIVERIES: Definition = counter(
    "scheduled_one_alert_deliveries",
    "Attempts of this node to deliver messages of alerts, by channel and result.",
);
#[cfg(feature = "alerts")]
pub(super) const MONITOR_SIGNS: Definition = counter(
    "scheduled_one_monitor_signs",
    "Signs of runs of this node to monitors outside, by monitor and result.",
);
pub(super) const STORE_UP: Definition = gauge(
    "scheduled_one_store_up",
    "",
    "1 if the store of the bucket replied to the last request of this node.",
);
pub(super) const QUARANTINES: Definition = counter(
    "scheduled_one_quarantines",
    "Quarantines that began while this node ran: the store restarted, failed over or was flushed.",
);
pub(super) const QUARANTINE: Definition = gauge(
    "scheduled_one_quarantine_seconds",
    "seconds",
    "Time until the last job of the bucket starts again that waits for its lease, after a quarantine began or the \
     store's clock was set; 0 if none waits.",
);
pub(super) const CLOCK_OFFSET: Definition = gauge(
    "scheduled_one_clock_offset_seconds",
    "seconds",
    "Wall clock of this machine minus the store's clock.",
);
pub(super) const NODES: Definition = gauge(
    "scheduled_one_nodes",
    "",
    "Living nodes of the bucket, as the last heartbeat said. The same on all nodes: use max.",
);
