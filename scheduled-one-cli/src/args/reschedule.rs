//! The arguments of `reschedule` and `reset`.

#[derive(Debug, clap::Args)]
pub(crate) struct Reschedule {
    /// The job
    pub(crate) name: String,
    /// The schedule: a cron expression such as "0 0 4 * * *", or "every 5m"
    pub(crate) schedule: String,
    /// The time zone of the cron expression, such as Europe/Berlin [default: that of the code]
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
    #[command(flatten)]
    pub(crate) change: Change,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reset {
    /// The job
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// What both have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Change {
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Only if the directive of the job still has this version, as `job` shows it; 0 if there is none
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<u64>,
    /// Says what would happen, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
