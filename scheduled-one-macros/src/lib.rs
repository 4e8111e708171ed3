//! The `#[scheduled_one]` attribute. Use it through `scheduled-one-runtime`,
//! which exports it.

// The modules in the order in which an attribute meets them. `tests/fuzz` has the same list.
mod alert;
mod attribute;

mod args;
mod item;
mod keys;
mod policies;
mod validate;
mod values;
mod when;

mod job;

mod expand;
mod fallback;

mod errors;
mod suggest;

#[cfg(test)]
mod snapshots;

/// Makes a scheduled job of an `async fn`.
///
/// The function stays as it is and can still be called. The linker registers
/// the job, and a started scheduler runs it: each tick on exactly one of the
/// nodes that share a store, unless `scope` says otherwise.
///
/// ```
/// use std::io;
///
/// use scheduled_one_runtime::{JobContext, State, scheduled_one};
///
/// #[derive(Clone)]
/// struct Db;
///
/// /// Every Monday at nine in Shanghai.
/// #[scheduled_one(cron = "0 0 9 * * MON", tz = "Asia/Shanghai", timeout = "10m")]
/// async fn weekly_report(State(db): State<Db>, ctx: JobContext) -> io::Result<()> {
///     db.send_report(ctx.scheduled_at().as_second()).await
/// }
///
/// /// Every ninety seconds since the Unix epoch, on all nodes the same. A run
/// /// that takes longer is waited for; one that fails is tried again.
/// #[scheduled_one(
///     every = "90s",
///     name = "billing/sweep",
///     overlap = queue_one,
///     on_node_loss = rerun(2),
///     retries = 3,
///     backoff = "500ms..30s",
///     retry_on = [error, timeout],
///     timeout = "1m"
/// )]
/// async fn sweep() {}
/// # impl Db {
/// #     async fn send_report(&self, _until: i64) -> io::Result<()> { Ok(()) }
/// # }
/// ```
///
#[doc = include_str!("../docs/attribute.md")]
#[proc_macro_attribute]
pub fn scheduled_one(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute::scheduled(args.into(), item.into()).into()
}
