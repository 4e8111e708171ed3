use std::sync::Arc;

use scheduled_one_runtime::{BoxError, FromJob, JobContext, State, scheduled_one};

#[derive(Clone)]
struct Db(u8);

struct Day<const N: usize>([u8; N]);

impl<const N: usize> FromJob for Day<N> {
    fn from_job(_ctx: &JobContext) -> Result<Self, BoxError> {
        Ok(Day([0; N]))
    }
}

#[scheduled_one(every = "90s")]
async fn patterns(State(Db(number)): State<Db>, Day([mut first, ..]): Day<3>, _: JobContext) {
    first += number;
    assert!(first > 0);
}

#[scheduled_one(every = "90s")]
#[allow(clippy::too_many_arguments)]
async fn eight(
    _a: JobContext,
    mut _b: State<Arc<Db>>,
    _c: State<Arc<dyn Fn(u8) -> u8 + Send + Sync>>,
    _d: Day<{ 1 + 2 }>,
    _e: State<(u8, [u16; 2])>,
    _f: ::scheduled_one_runtime::State<&'static str>,
    _g: State<fn(&str) -> &str>,
    _h: <Self_ as Alias>::Of,
) {
}

struct Self_;

trait Alias {
    type Of;
}

impl Alias for Self_ {
    type Of = JobContext;
}
