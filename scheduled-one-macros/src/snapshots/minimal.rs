// Input:
#[scheduled_one(every = "90s")]
async fn minimal() {}

// Output:
async fn minimal() {}
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::every(
            ::core::concat!(::core::module_path!(), "::", "minimal"),
            __scheduled_one::Duration::from_millis(90000),
            __scheduled_one::function(minimal, (), __scheduled_one::returned::<()>()),
        )
    }
    __scheduled_one::register!(__scheduled_one_job);
};
