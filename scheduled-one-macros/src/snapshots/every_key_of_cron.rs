// Input:
#[scheduled_one(
    cron = "0 0 9 * * MON",
    tz = "Asia/Shanghai",
    lease = "10s",
    timeout = "1h30m",
    name = "weekly-report",
    description = "Sends the \"weekly\" report",
    alert(failed = 3, lost = false, no_success = "26h", runbook = "https://wiki.example/report"),
)]
/// Stays.
#[must_use]
pub(crate) async fn report(State(db): State<Db>, ctx: JobContext) -> Result<(), Error> {
    db.report(ctx.scheduled_at()).await
}

// Output:
/// Stays.
#[must_use]
pub(crate) async fn report(State(db): State<Db>, ctx: JobContext) -> Result<(), Error> {
    db.report(ctx.scheduled_at()).await
}
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::cron(
                "weekly-report",
                "0 0 9 * * MON",
                __scheduled_one::function(
                    report,
                    (
                        __scheduled_one::argument::<State<Db>>(),
                        __scheduled_one::argument::<JobContext>(),
                    ),
                    __scheduled_one::returned::<Result<(), Error>>(),
                ),
            )
            .tz("Asia/Shanghai")
            .lease(__scheduled_one::Duration::from_millis(10000))
            .timeout(__scheduled_one::Duration::from_millis(5400000))
            .description("Sends the \"weekly\" report")
            .alert(
                __scheduled_one::JobRules::new()
                    .failed(3)
                    .lost(false)
                    .no_success(__scheduled_one::Duration::from_millis(93600000))
                    .runbook("https://wiki.example/report"),
            )
    }
    __scheduled_one::register!(__scheduled_one_job);
};
