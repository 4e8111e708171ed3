//! The `#[scheduled_one]` attribute. Use it through `scheduled-one-runtime`,
//! which exports it.

// In the order in which an attribute meets them.
mod args;
mod item;
mod validate;

mod job;

mod expand;
mod fallback;

mod errors;
mod suggest;

#[cfg(test)]
mod snapshots;

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::item::Item;

/// Makes a scheduled job of an `async fn`.
///
/// The function stays what it is and can still be called. It is registered
/// when the program is linked, and runs once a scheduler is started: each tick
/// on exactly one of the nodes that share a store.
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
/// /// Every ninety seconds since the Unix epoch, on all nodes the same.
/// #[scheduled_one(every = "90s", name = "billing/sweep")]
/// async fn sweep() {}
/// # impl Db {
/// #     async fn send_report(&self, _until: i64) -> io::Result<()> { Ok(()) }
/// # }
/// ```
///
/// # Keys
///
/// Exactly one of `cron` and `every`; all others may be left out. Values are
/// string literals, as they are checked when the program is compiled. What is
/// known only at run time goes into a `Job` given to the scheduler's builder.
///
/// | key | value | default |
/// | --- | --- | --- |
/// | `cron` | Six or seven fields, seconds first: `"0 30 2 * * *"`. Weekdays by name, `L`, `W` and `#` as in Quartz, or `"@daily"` and its like. | |
/// | `every` | A duration from `100ms` to `366d`. Due at each multiple of it since the Unix epoch. | |
/// | `offset` | A duration below `every`, by which its ticks are later. | `"0s"` |
/// | `tz` | The IANA zone in which `cron` is read: `"Europe/Berlin"`. | `"UTC"` |
/// | `name` | Tells the job from others in the store, logs and metrics: 1 to 128 of `A-Z a-z 0-9 _ . : / -`. | `module::path::function` |
/// | `lease` | A duration from `200ms` to `1h`: how long a run keeps its right to run without a renewal, and how long the job stands still after a crash. | the scheduler's, `5s` |
/// | `timeout` | A duration above zero, after which a run is cancelled. | none |
/// | `description` | A sentence for people. | none |
/// | `crate` | The path of `scheduled-one-runtime`, for crates that know it by another name: `crate = renamed::path`. | `::scheduled_one_runtime` |
///
/// Durations are whole numbers with the units `d`, `h`, `m`, `s` and `ms`,
/// largest first: `"90s"`, `"1h30m"`, `"500ms"`.
///
/// A job without a `name` changes its name when the function moves, and is
/// then a new job to the store: its last tick is forgotten.
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
/// It may have several schedules: repeat the attribute, each with a `name`.
///
/// # Errors
///
/// All of the above is checked at compile time. Each mistake is one error, on
/// the token that is wrong, and says what to write instead:
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
    scheduled(args.into(), item.into()).into()
}

/// The attribute on the tokens that tests can make, too.
fn scheduled(args: TokenStream, item: TokenStream) -> TokenStream {
    match job(args, item.clone()) {
        Ok(job) => expand::expand(&job, &item),
        Err(error) => fallback::expand(&error, &item),
    }
}

/// Reads and checks, and goes on after a mistake to find the next.
fn job(args: TokenStream, item: TokenStream) -> syn::Result<job::Job> {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = errors.keep(Item::parse(item));
    match item {
        Some(item) => validate::job(&args, &item, errors),
        None => errors.into_result(None),
    }
}
