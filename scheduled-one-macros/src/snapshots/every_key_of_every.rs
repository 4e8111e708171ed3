// Input:
#[scheduled_one(every = "90s", offset = "10s", crate = renamed::runtime)]
async fn r#match() -> anyhow::Result<()> {
    Ok(())
}

// Output:
async fn r#match() -> anyhow::Result<()> {
    Ok(())
}
const _: () = {
    use renamed::runtime::__private as __scheduled_one;
    const __SCHEDULED_ONE_NAME: &::core::primitive::str = __scheduled_one::default_name(
        ::core::concat!(::core::module_path!(), "::", "match"),
    );
    fn __scheduled_one_job() -> __scheduled_one::Job {
        __scheduled_one::Job::every(
                __SCHEDULED_ONE_NAME,
                __scheduled_one::Duration::from_millis(90000),
                __scheduled_one::function(
                    r#match,
                    (),
                    __scheduled_one::returned::<anyhow::Result<()>>(),
                ),
            )
            .offset(__scheduled_one::Duration::from_millis(10000))
    }
    __scheduled_one::register!(__scheduled_one_job);
};
