//! `schema`: the tables of PostgreSQL, for somebody who may not let services make them.

use crate::args::Schema;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(output: &Output, args: &Schema) -> Result<Exit, Failure> {
    output.print(&scheduled_one_postgres::schema(
        &args.schema,
        args.user.as_deref(),
    ))?;
    Ok(Exit::Done)
}
