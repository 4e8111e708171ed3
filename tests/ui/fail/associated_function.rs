use scheduled_one_runtime::scheduled_one;

struct Reports;

impl Reports {
    #[scheduled_one(every = "90s")]
    async fn report() {}
}

fn main() {}
