use scheduled_one_runtime::scheduled_one;

use scheduled_one_runtime::{JobContext, State};

type Error = std::io::Error;

#[derive(Clone)]
struct Db;

#[scheduled_one(every = "90s")]
fn report() {}

#[scheduled_one(every = "90s")]
pub fn totals(State(db): State<Db>, ctx: JobContext, tags: State<Vec<(u8, &'static str)>>) -> Result<(), Error> {
    let _ = (db, ctx, tags);
    Ok(())
}

fn main() {}
