use scheduled_one_runtime::scheduled_one;

struct Reports;

impl Reports {
    #[scheduled_one(every = "90s")]
    async fn by_reference(&self) {}

    #[scheduled_one(every = "90s")]
    pub async fn by_value(self, _day: u32) {}
}

fn main() {}
