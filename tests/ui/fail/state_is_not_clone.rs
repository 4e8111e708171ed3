use scheduled_one_runtime::scheduled_one;

use scheduled_one_runtime::State;

struct Db;

#[scheduled_one(every = "90s")]
async fn report(State(_db): State<Db>) {}

fn main() {}
