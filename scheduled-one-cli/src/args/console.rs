//! The arguments of `console`.

#[derive(Debug, clap::Args)]
pub(crate) struct Console {
    /// Where it listens. It has no password, so it has to be an address of this machine alone; `ssh -L` reaches it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8088")]
    pub(crate) bind: std::net::SocketAddr,
    /// Nobody changes anything there
    #[arg(long)]
    pub(crate) read_only: bool,
}
