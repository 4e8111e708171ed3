use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
unsafe extern "C" fn report(count: u32, ...) {}

fn main() {}
