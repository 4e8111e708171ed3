#![deny(warnings)]

use scheduled_one_runtime::{JobContext, scheduled_one};

mod old {
    #[deprecated]
    pub(super) type Context = scheduled_one_runtime::JobContext;
}

#[scheduled_one(every = "90s")]
#[allow(deprecated)]
async fn allowed(_ctx: old::Context) {}

#[scheduled_one(every = "90s")]
#[expect(deprecated, reason = "until the next release")]
async fn expected(_ctx: old::Context) {}

#[scheduled_one(every = "90s")]
#[deprecated]
async fn deprecated(_ctx: JobContext) {}

#[scheduled_one(every = "90s")]
#[allow(non_snake_case)]
async fn camelCase() {}
