// Input:
#[scheduled_one(every = "90s")]
#[cfg(feature = "reports")]
#[allow(clippy::unused_async)]
#[expect(deprecated, reason = "until 2.0")]
#[inline]
async fn report(_: old::Context) -> impl Outcome {}

// Output:
#[cfg(feature = "reports")]
#[allow(clippy::unused_async)]
#[expect(deprecated, reason = "until 2.0")]
#[inline]
async fn report(_: old::Context) -> impl Outcome {}
#[cfg(feature = "reports")]
#[allow(clippy::unused_async)]
#[allow(deprecated, reason = "until 2.0")]
const _: () = {
    use ::scheduled_one_runtime::__private as __scheduled_one;
    const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
        ::core::concat!(::core::module_path!(), "::", "report"),
    );
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::every(
            __SCHEDULED_ONE_NAME,
            __scheduled_one::Duration::from_millis(90000),
            __scheduled_one::function(
                report,
                (__scheduled_one::argument::<old::Context>(),),
                __scheduled_one::returned::<_>(),
            ),
        )
    }
    __scheduled_one::register!(__scheduled_one_job);
};
