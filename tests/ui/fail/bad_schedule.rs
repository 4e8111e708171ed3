use scheduled_one_runtime::scheduled_one;

#[scheduled_one(schedule = "0 30 2 * * *")]
async fn an_expression() {}

#[scheduled_one(schedule = manual, every = "90s")]
async fn with_ticks() {}

#[scheduled_one(schedule = daily)]
async fn a_word() {}

fn main() {}
