use scheduled_one_runtime::{JobContext, scheduled_one};

macro_rules! job {
    ($name:ident, $every:literal, $lease:expr, $context:ty, $output:ty) => {
        #[scheduled_one(every = $every, lease = $lease)]
        async fn $name(_ctx: $context) -> $output {
            Ok(())
        }
    };
}

job!(first, "10s", "1s", JobContext, Result<(), String>);
job!(second, "20s", "2s", JobContext, anyhow::Result<()>);
