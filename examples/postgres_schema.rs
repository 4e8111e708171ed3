//! Prints the statements that make the tables in a PostgreSQL, for those who apply them by hand.
//!
//! ```sh
//! cargo run --example postgres_schema                       # the schema scheduled_one
//! cargo run --example postgres_schema -- scheduled_one jobs # and the rights of the user jobs
//! cargo run --example postgres_schema -- scheduled_one jobs | psql --set ON_ERROR_STOP=1 app
//! ```

use std::process::ExitCode;

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "that is its job")]
fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (schema, user) = (args.next(), args.next());
    if args.next().is_some() {
        eprintln!("usage: postgres_schema [schema [user]]");
        return ExitCode::from(2);
    }
    let schema = schema.unwrap_or_else(|| "scheduled_one".to_owned());
    print!(
        "{}",
        scheduled_one_postgres::schema(&schema, user.as_deref())
    );
    ExitCode::SUCCESS
}
