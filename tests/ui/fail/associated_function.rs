use scheduled_one_runtime::scheduled_one;

struct Reports;

impl Reports {
    // The macro cannot see that it is in an `impl`: rustc says so, twice.
    #[scheduled_one(every = "90s")]
    async fn report() {}
}

fn main() {}
