use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
struct Report;

#[scheduled_one(every = "90s")]
pub(crate) const REPORT: u8 = 0;

#[scheduled_one(every = "90s")]
mod report {}

struct Job;

#[scheduled_one(every = "90s")]
impl Job {
    async fn run() {}
}

fn main() {}
