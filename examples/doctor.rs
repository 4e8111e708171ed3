//! Looks at a Redis and says what the guarantees rest on there.
//!
//! ```sh
//! cargo run --example doctor -- redis://127.0.0.1/        # namespace: default
//! cargo run --example doctor -- redis://127.0.0.1/ shop
//! cargo run --example doctor -- redis://127.0.0.1/ shop 4 # of 4 buckets
//! ```
//!
//! Ends with 1 if a scheduler would not start there. In a service of your own,
//! the same look, at its jobs and with its settings, is one call:
//! `Scheduler::builder(url)…doctor().await`.

use std::process::ExitCode;

use scheduled_one_runtime::Scheduler;

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "that is its job")]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (url, namespace) = (args.next(), args.next());
    let buckets = args.next().unwrap_or_else(|| "1".to_owned()).parse();
    let (Some(url), Ok(buckets), None) = (url, buckets, args.next()) else {
        eprintln!("usage: doctor redis://[user:password@]host[:port][/db] [namespace [buckets]]");
        return ExitCode::from(2);
    };
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    let builder = Scheduler::builder(url).namespace(namespace);
    let report = builder.buckets(buckets).doctor().await;
    println!("{report}");
    match report.is_usable() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
