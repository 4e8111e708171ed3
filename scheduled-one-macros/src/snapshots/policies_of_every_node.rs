// Input:
#[scheduled_one(every = "90s", scope = every_node, retries = 1, retry_on(panic), enabled = true)]
async fn clean() {}

// Output:
async fn clean() {}
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
        ::core::concat!(::core::module_path!(), "::", "clean"),
    );
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::every(
                __SCHEDULED_ONE_NAME,
                __scheduled_one::Duration::from_millis(90000),
                __scheduled_one::function(clean, (), __scheduled_one::returned::<()>()),
            )
            .retries(1)
            .retry_on(__scheduled_one::RetryOn::NONE.with_panic(true))
            .scope(__scheduled_one::Scope::EveryNode)
            .enabled(true)
    }
    __scheduled_one::register!(__scheduled_one_job);
};
