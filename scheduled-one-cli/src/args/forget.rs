//! The arguments of `forget`.

#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// The jobs
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Keeps the jobs, and takes back what a clock of the store that was ahead has decided of them
    #[arg(long)]
    pub(crate) marks: bool,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Says what would be removed, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
