//! The arguments of the verbs that are about ticks, and of `trail`.

use std::time::Duration;

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use scheduled_one_control::BackfillOnly;

use super::Overlap;
use crate::output::now_ms;

#[derive(Debug, clap::Args)]
pub(crate) struct Next {
    /// The job
    pub(crate) name: String,
    /// How many ticks
    #[arg(short = 'n', long, default_value_t = 10, value_name = "NUMBER")]
    pub(crate) ticks: usize,
    /// The ticks of a range instead: its beginning, such as 2026-01-05T09:00:00Z, 2026-01-05 or "2h ago"
    #[arg(long, value_name = "INSTANT", value_parser = instant, requires = "to")]
    pub(crate) from: Option<Timestamp>,
    /// The end of the range, which is no part of it
    #[arg(long, value_name = "INSTANT", value_parser = instant, requires = "from")]
    pub(crate) to: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// The job
    pub(crate) name: String,
    /// The beginning of the range, such as 2026-01-05T09:00:00Z, 2026-01-05 or "2h ago"
    #[arg(long, value_name = "INSTANT", value_parser = instant, default_value = "24h ago")]
    pub(crate) from: Timestamp,
    /// The end of the range, which is no part of it
    #[arg(long, value_name = "INSTANT", value_parser = instant, default_value = "now")]
    pub(crate) to: Timestamp,
    /// Only ticks that were missed or lost, or of which nobody knows what became
    #[arg(long)]
    pub(crate) gaps: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Trail {
    /// Only what concerns this job [default: all]
    pub(crate) name: Option<String>,
    /// Only what this actor asked for
    #[arg(long, value_name = "WHO")]
    pub(crate) actor: Option<String>,
    /// Only this action, such as pause, resume, run, rerun, cancel, backfill
    #[arg(long, value_name = "WORD")]
    pub(crate) action: Option<String>,
    /// How many entries
    #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER")]
    pub(crate) lines: usize,
    /// Only entries behind this place, the oldest first: the cursor of -o json, or -o name
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Backfill {
    /// The job
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) plan: Plan,
    #[command(flatten)]
    pub(crate) of_running: OfRunning,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Waits until all runs have ended: exit status 0 if each was ok, 1 if not, 6 if that takes too long
    #[arg(long)]
    pub(crate) wait: bool,
    /// Lists the ticks, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which ticks, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// The beginning of the range, such as 2026-01-05T09:00:00Z, 2026-01-05 or "2h ago"
    #[arg(
        long,
        value_name = "INSTANT",
        value_parser = instant,
        required_unless_present_any = ["status", "stop", "pause", "resume"]
    )]
    pub(crate) from: Option<Timestamp>,
    /// The end of the range, which is no part of it
    #[arg(long, value_name = "INSTANT", value_parser = instant, default_value = "now")]
    pub(crate) to: Timestamp,
    /// Which ticks of the range
    #[arg(long, value_enum, default_value_t = Only::Missed)]
    pub(crate) only: Only,
    /// The newest tick first
    #[arg(long)]
    pub(crate) newest_first: bool,
    /// How many requests of it wait or run at the same time
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    pub(crate) at_a_time: u32,
    /// What becomes of a request while a run of the schedule is active
    #[arg(long, value_enum, default_value_t = Overlap::Queue)]
    pub(crate) overlap: Overlap,
}

/// What is done with the backfill of the job that goes on.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct OfRunning {
    /// Shows how far the newest backfill of the job has come
    #[arg(long, conflicts_with = "from")]
    pub(crate) status: bool,
    /// Ends the backfill that goes on
    #[arg(long, conflicts_with = "from")]
    pub(crate) stop: bool,
    /// Pauses it
    #[arg(long, conflicts_with = "from")]
    pub(crate) pause: bool,
    /// Lets it go on
    #[arg(long, conflicts_with = "from")]
    pub(crate) resume: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Only {
    /// Those that were missed
    Missed,
    /// Those whose run was lost with its node
    Lost,
    /// Those that ran and did not end well
    Failed,
    /// Those of which no run is known, also from before the job was first seen
    Never,
    /// All that are over, also from before the job was first seen
    All,
}

impl From<Only> for BackfillOnly {
    fn from(only: Only) -> Self {
        match only {
            Only::Missed => BackfillOnly::Missed,
            Only::Lost => BackfillOnly::Lost,
            Only::Failed => BackfillOnly::Failed,
            Only::Never => BackfillOnly::Never,
            Only::All => BackfillOnly::All,
        }
    }
}

/// An instant in RFC 3339, a date (its beginning, in UTC), `now`, or a duration and `ago`.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::from_millisecond(now_ms()).map_err(|error| error.to_string())?;
    if text == "now" {
        return Ok(now);
    }
    if let Some(duration) = text.strip_suffix(" ago") {
        let ago: Duration = super::duration(duration)?;
        let ago = SignedDuration::try_from(ago).map_err(|error| error.to_string())?;
        return now.checked_sub(ago).map_err(|error| error.to_string());
    }
    let is_date = text.len() == "2026-01-05".len();
    if let Some(Ok(beginning)) = is_date.then(|| format!("{text}T00:00:00Z").parse()) {
        return Ok(beginning);
    }
    text.parse().map_err(|_| {
        "an instant is 2026-01-05T09:00:00Z, 2026-01-05 (its beginning in UTC), \"2h ago\" or now"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn instants_are_absolute_or_some_time_ago() {
        let at = |text: &str| instant(text).unwrap().to_string();
        assert_eq!(at("2026-01-05T09:00:00Z"), "2026-01-05T09:00:00Z");
        assert_eq!(at("2026-01-05T09:00:00+02:00"), "2026-01-05T07:00:00Z");
        assert_eq!(at("2026-01-05"), "2026-01-05T00:00:00Z");
        let (ago, now) = (instant("2h ago").unwrap(), instant("now").unwrap());
        let hours = now.duration_since(ago).as_secs();
        assert!((7_200..7_300).contains(&hours), "{hours}");
        for wrong in ["", "yesterday", "2h", "ago", "2026-01-05T09:00:00", "2026"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
