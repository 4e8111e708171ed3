use scheduled_one_runtime::{BoxError, Handler, JobContext, JobResult, MissingState, States};

struct Report;

impl JobResult for Report {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

struct Nightly;

impl Handler<()> for Nightly {
    fn check(&self, _states: &States) -> Result<(), MissingState> {
        Ok(())
    }

    fn call(
        &self,
        _ctx: &JobContext,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> {
        Box::pin(async { Ok(()) })
    }
}

fn main() {}
