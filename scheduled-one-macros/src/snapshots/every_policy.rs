// Input:
#[scheduled_one(
    cron = "@daily",
    cron_env = "REPORT_CRON",
    overlap = queue_all(3),
    misfire = run_once,
    catch_up = "2h",
    start_deadline = "30s",
    jitter = "10s",
    lease = "10s",
    on_lease_lost = cancel,
    on_node_loss = rerun(2),
    timeout = "10m",
    timeout_total = "1h",
    retries = 3,
    backoff = "500ms..30s",
    retry_on = [error, timeout],
    pause_after = 5,
    scope = one,
    route = spread,
    on = ["gpu", "*"],
    shards = 4,
    enabled = false,
    enabled_env = "REPORT_ENABLED",
)]
async fn report() {}

// Output:
async fn report() {}
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
        ::core::concat!(::core::module_path!(), "::", "report"),
    );
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::cron(
                __SCHEDULED_ONE_NAME,
                "@daily",
                __scheduled_one::function(report, (), __scheduled_one::returned::<()>()),
            )
            .cron_env("REPORT_CRON")
            .lease(__scheduled_one::Duration::from_millis(10000))
            .timeout(__scheduled_one::Duration::from_millis(600000))
            .timeout_total(__scheduled_one::Duration::from_millis(3600000))
            .overlap(__scheduled_one::Overlap::QueueAll(3))
            .misfire(__scheduled_one::Misfire::RunOnce)
            .catch_up(__scheduled_one::Duration::from_millis(7200000))
            .start_deadline(__scheduled_one::Duration::from_millis(30000))
            .on_node_loss(__scheduled_one::OnNodeLoss::Rerun(2))
            .on_lease_lost(__scheduled_one::OnLeaseLost::Cancel)
            .retries(3)
            .backoff(
                __scheduled_one::Duration::from_millis(500),
                __scheduled_one::Duration::from_millis(30000),
            )
            .retry_on(__scheduled_one::RetryOn::NONE.with_error(true).with_timeout(true))
            .pause_after(5)
            .jitter(__scheduled_one::Duration::from_millis(10000))
            .scope(__scheduled_one::Scope::One)
            .route(__scheduled_one::Route::Spread)
            .shards(4)
            .enabled(false)
            .enabled_env("REPORT_ENABLED")
            .on(["gpu", "*"])
    }
    __scheduled_one::register!(__scheduled_one_job);
};
