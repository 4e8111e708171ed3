// Input:
#[scheduled_one(
    every = "10m",
    tz = "Europe/Berlin",
    start = "2026-03-01T00:00",
    end = "2027-03-01T00:00Z",
    within = "08:00-18:00",
    except = ["SAT", "SUN", "de-holidays"],
)]
async fn sweep() {}

// Output:
async fn sweep() {}
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
        ::core::concat!(::core::module_path!(), "::", "sweep"),
    );
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::every(
                __SCHEDULED_ONE_NAME,
                __scheduled_one::Duration::from_millis(600000),
                __scheduled_one::function(sweep, (), __scheduled_one::returned::<()>()),
            )
            .tz("Europe/Berlin")
            .start("2026-03-01T00:00")
            .end("2027-03-01T00:00Z")
            .within("08:00-18:00")
            .except(["SAT", "SUN", "de-holidays"])
    }
    __scheduled_one::register!(__scheduled_one_job);
};
