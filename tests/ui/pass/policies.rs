//! Each key of the policies with each of its values. The tests in `inventory` check the resulting jobs.

use scheduled_one_runtime::scheduled_one;

#[scheduled_one(
    name = "policies/all",
    cron = "@daily",
    cron_env = "REPORT_CRON",
    overlap = skip,
    misfire = run_once,
    catch_up = "2h",
    start_deadline = "30s",
    jitter = "10s",
    lease = "10s",
    on_lease_lost = cancel,
    on_node_loss = record,
    timeout = "10m",
    timeout_total = "10m",
    retries = 3,
    backoff = "500ms..30s",
    retry_on = [error, timeout],
    pause_after = 5,
    scope = one,
    route = spread,
    on = ["gpu", "big", "*"],
    shards = 4,
    enabled = true,
    enabled_env = "REPORT_ENABLED",
)]
async fn all() {}

#[scheduled_one(
    name = "policies/second",
    every = "90s",
    overlap = queue_one,
    misfire = run_all,
    catch_up = "366d",
    jitter = "89999ms",
    on_lease_lost = finish,
    on_node_loss = record,
    retries = 1,
    retry_on(panic),
    backoff = "0s..0s",
    shards = 1,
    enabled = false,
    enabled_env = "REPORT_ENABLED"
)]
async fn second() {}

#[scheduled_one(
    name = "policies/third",
    every = "90s",
    overlap = queue_all(1000),
    misfire = skip,
    on_lease_lost = cancel,
    on_node_loss = rerun(100),
    retries = 100,
    retry_on = [timeout, panic, error,],
    shards = 1024,
    jitter = "0s"
)]
async fn third() {}

#[scheduled_one(
    name = "policies/fourth",
    every = "90s",
    overlap = cancel_running,
    on_node_loss = rerun(1),
    retries = 0
)]
async fn fourth() {}

#[scheduled_one(name = "policies/fifth", every = "90s", overlap = allow(2))]
async fn fifth() {}

/// What is said of them is the default.
#[scheduled_one(
    name = "policies/every_node",
    every = "90s",
    scope = every_node,
    overlap = skip,
    misfire = skip,
    shards = 1,
    start_deadline = "1ms",
    jitter = "10s",
    timeout = "10s",
    retries = 2,
    timeout_total = "1m"
)]
async fn every_node() {}
