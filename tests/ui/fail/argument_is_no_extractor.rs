use scheduled_one_runtime::scheduled_one;

use scheduled_one_runtime::JobContext;

struct Db<T>(T);

#[scheduled_one(every = "90s")]
async fn owned(_ctx: JobContext, _db: Db<u8>) {}

#[scheduled_one(every = "90s")]
async fn borrowed(_ctx: &JobContext) {}

#[scheduled_one(every = "90s")]
async fn text(_text: &str) {}

#[scheduled_one(every = "90s")]
async fn two(_number: u32, _text: String) {}

fn main() {}
