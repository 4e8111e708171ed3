use scheduled_one_runtime::scheduled_one;

#[scheduled_one(
    name = "every_key/cron",
    cron = "0 0 9 * * MON",
    tz = "Asia/Shanghai",
    lease = "10s",
    timeout = "1h30m",
    alert(
        failed = 3,
        recover = 2,
        missed = 1,
        lost = true,
        no_success = "26h",
        late = "5m",
        runs_longer = "1h",
        paused_longer = "3d",
        unaccounted = false,
        no_node_has = true,
        runbook = "https://wiki.example/nightly",
    ),
    description = "Sends the \"weekly\" report",
    crate = scheduled_one_runtime,
)]
async fn of_cron() {}

#[scheduled_one(
    every = "90s",
    offset = "10s",
    name = "every_key/every",
    crate = "scheduled_one_runtime"
)]
async fn of_every() {}

#[scheduled_one(
    cron = r#"@daily"#,
    cron_env = "A CRON",
    enabled_env = "E",
    timeout = "1ms",
    lease = "200ms"
)]
async fn smallest() {}

#[scheduled_one(every = "366d", offset = "0s", lease = "1h")]
async fn largest() {}
