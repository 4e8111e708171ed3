use scheduled_one_runtime::scheduled_one;

use scheduled_one_runtime::JobContext as C;

#[scheduled_one(every = "90s")]
async fn report(_a: C, _b: C, _c: C, _d: C, _e: C, _f: C, _g: C, _h: C, _i: C) {}

fn main() {}
