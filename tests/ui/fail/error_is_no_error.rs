use scheduled_one_runtime::scheduled_one;

struct Failure;

#[scheduled_one(every = "90s")]
async fn own() -> Result<(), Failure> {
    Ok(())
}

#[scheduled_one(every = "90s")]
async fn boxed() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {}
