//! Statements that commit with the outcome of a run, as a job adds them.

use scheduled_one_protocol::Statement;

use crate::context::JobContext;
use crate::handler::{BoxError, FromJob};
use crate::state::{CommitsStatements, MissingState, States};

/// The effects of a run in the database that is the store: SQL statements that are committed in one transaction with
/// the outcome of the run. There is no instant at which one of them is there without the other, whatever happens to the
/// process, the network and the server.
///
/// They are executed once the function has returned `Ok`, under the lease of the run. If a statement fails, nothing is
/// committed, and the attempt has failed, with the error of the database; retries follow as usual. If the function
/// fails, is cancelled or panics, they are dropped; so they are if the run has lost its lease by then.
///
/// The store has to be PostgreSQL or SQLite, and its user needs the rights: with another store the scheduler does not
/// start. A run with `scope = every_node` has no record in the store, and fails if it adds a statement.
///
/// # Limits
///
/// 100 statements, 1 MiB of texts and values, and 1.2 s for all of them with their round trips, as their rows and that
/// of the run are locked meanwhile; 0.5 s in SQLite, where the whole file is. No statement may be about the transaction
/// or the session (`COMMIT`, `SET`, `COPY`, …).
///
/// SQLite: the tables are in the file of the scheduler, which takes none of another program. Make them there after the
/// first start.
///
/// ```
/// use scheduled_one_runtime::{BoxError, Effects, JobContext, Statement, jiff, scheduled_one};
///
/// #[scheduled_one(cron = "@monthly", name = "interest")]
/// async fn interest(ctx: JobContext, effects: Effects) -> Result<(), BoxError> {
///     let rate = rate_of(ctx.scheduled_at_local().date()).await?;
///     effects.add(Statement::new("UPDATE account SET balance = balance * (1 + $1)").bind(rate));
///     Ok(())
/// }
/// # async fn rate_of(_day: jiff::civil::Date) -> Result<f64, BoxError> { Ok(0.0) }
/// ```
///
/// The other way to have an effect once is a row of one's own with the job and the tick, as the example `effect_once`
/// shows: it works with any store and any database.
#[derive(Clone, Debug)]
pub struct Effects {
    ctx: JobContext,
}

impl Effects {
    /// Adds a statement; they are executed in the order in which they were added. What is added after the function has
    /// returned is dropped.
    pub fn add(&self, statement: Statement) {
        self.ctx.add_statement(statement);
    }
}

#[diagnostic::do_not_recommend]
impl FromJob for Effects {
    fn from_job(ctx: &JobContext) -> Result<Self, BoxError> {
        Ok(Effects { ctx: ctx.clone() })
    }

    fn check(states: &States) -> Result<(), MissingState> {
        match states.get::<CommitsStatements>() {
            Some(CommitsStatements(false)) => Err(MissingState::statements::<Self>()),
            Some(CommitsStatements(true)) | None => Ok(()),
        }
    }
}
