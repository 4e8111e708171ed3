//! The arguments of `alerts`.

use clap::Subcommand;

/// What is done about alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Shows what fires now
    Show,
    /// Has a node send a message over a channel that says that it is a test
    Test {
        /// The name of the channel, such as slack
        channel: String,
    },
}
