use scheduled_one_runtime::scheduled_one;

use scheduled_one_runtime::JobContext;

/// The one error is that of the attribute.
#[scheduled_one(every = "90")]
pub async fn report(_ctx: JobContext) {}

pub async fn caller(ctx: JobContext) {
    report(ctx).await;
}

fn main() {}
