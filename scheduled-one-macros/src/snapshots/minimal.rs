// Input:
#[scheduled_one(every = "90s")]
async fn minimal() {}

// Output:
async fn minimal() {}
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
        ::core::concat!(::core::module_path!(), "::", "minimal"),
    );
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::every(
            __SCHEDULED_ONE_NAME,
            __scheduled_one::Duration::from_millis(90000),
            __scheduled_one::function(minimal, (), __scheduled_one::returned::<()>()),
        )
    }
    __scheduled_one::register!(__scheduled_one_job);
};
