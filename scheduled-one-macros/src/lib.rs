//! The `#[scheduled_one]` attribute. Use it through `scheduled-one-runtime`,
//! which exports it.

// The modules in the order in which an attribute meets them. `tests/fuzz` has the same list.
mod attribute;

mod args;
mod item;
mod keys;
mod policies;
mod validate;
mod values;

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
///     db.send_report(ctx.scheduled_at().timestamp()).await
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
/// # Keys
///
/// A job has exactly one of `cron` and `every`; all other keys may be left out.
/// Texts and durations are string literals; words and numbers stand without
/// quotes. All values are literals, because they are checked when the program
/// is compiled. A job whose values are known only at run time is a `Job`, given
/// to the builder of the scheduler.
///
/// Durations are whole numbers with the units `d`, `h`, `m`, `s` and `ms`,
/// largest first: `"90s"`, `"1h30m"`, `"500ms"`. Unless another limit is named,
/// they are longer than zero and at most `366d`.
///
#[doc = include_str!("keys.md")]
///
/// # Contradictions
///
/// Keys that do not go together are refused, because one of them would have no
/// effect or would undo the other:
///
/// - `tz` and `cron_env` with `every`; `offset` with `cron`;
/// - `offset` or `jitter` not shorter than `every`;
/// - `backoff`, `retry_on` and `timeout_total` without `retries`;
/// - `timeout` longer than `timeout_total`;
/// - `catch_up` without `misfire = run_once` or `run_all`;
/// - `on_lease_lost = finish` with `on_node_loss = rerun(max)`;
/// - with `scope = every_node`: `lease`, `on_lease_lost`, `on_node_loss`, and
///   any other `misfire`, `overlap` or `shards` than the default.
///
/// # Names
///
/// A job without a `name` changes its name when the function moves, and is
/// then a new job to the store: its last tick is forgotten.
///
/// The name of an environment variable is not empty and has no `=` and no NUL.
///
/// # The function
///
/// - is `async`, free (no method) and not generic;
/// - takes up to eight arguments that implement `FromJob`: `JobContext`,
///   `State<T>` or your own;
/// - returns `()` or `Result<(), E>`, where `E` is an error or converts into a
///   boxed one, as `anyhow::Error` does;
/// - gives a future that is `Send`.
///
/// A function may have several schedules: repeat the attribute, each with a
/// `name`.
///
/// # Errors
///
/// Everything above is checked at compile time. Each mistake is one error, on
/// the wrong token, with the text to write instead:
///
/// ```text
/// error: the cron expression `30 2 * * *` has five fields: the seconds are missing
///        help: write `0 30 2 * * *`
/// ```
#[proc_macro_attribute]
pub fn scheduled_one(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute::scheduled(args.into(), item.into()).into()
}
