use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
async fn number() -> u32 {
    1
}

#[scheduled_one(every = "90s")]
async fn option() -> Option<()> {
    None
}

#[scheduled_one(every = "90s")]
async fn result_of_value() -> Result<u32, std::io::Error> {
    Ok(1)
}

#[scheduled_one(every = "90s")]
async fn opaque() -> impl Sized {}

#[scheduled_one(every = "90s")]
async fn never() -> ! {
    std::process::exit(0)
}

fn main() {}
