// Input:
#[scheduled_one(cron = "30 2 * * *", foo = 1)]
async fn report() {}

// Output:
async fn report() {}
::core::compile_error! {
    "unknown key `foo`; expected one of: `cron`, `every`, `offset`, `tz`, `cron_env`, `name`, `description`, `overlap`, `misfire`, `catch_up`, `start_deadline`, `jitter`, `lease`, `on_lease_lost`, `on_node_loss`, `timeout`, `timeout_total`, `retries`, `backoff`, `retry_on`, `scope`, `shards`, `enabled`, `enabled_env`, `crate`"
}
::core::compile_error! {
    "the cron expression `30 2 * * *` has five fields: the seconds are missing\nhelp: write `0 30 2 * * *`"
}
