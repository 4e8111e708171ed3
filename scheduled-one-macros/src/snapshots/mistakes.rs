// Input:
#[scheduled_one(cron = "30 2 * * *", foo = 1)]
async fn report() {}

// Output:
async fn report() {}
::core::compile_error! {
    "unknown key `foo`\nhelp: the documentation of `scheduled_one` lists all keys"
}
::core::compile_error! {
    "the cron expression `30 2 * * *` has five fields: the seconds are missing\nhelp: write `0 30 2 * * *`"
}
