//! The measurements that a child process can run, by name.

use anyhow::{Context, Result, bail};
use scheduled_one_runtime::Route;

use crate::lateness::Metrics;
use crate::task::{Found, Task};
use crate::{
    claims, console, crowd, day, downtime, hanging, idle, lateness, many, memory, peer, replicas,
    sql,
};

/// In a child process: runs the measurement that the arguments name, and prints what it found.
pub(crate) fn serve(args: &[String]) -> Result<()> {
    let (name, rest) = args.split_first().context("which child?")?;
    let task = Task::from_args(rest)?;
    if name == "crowd" {
        return show(&crowd::serve(&task)?);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let found = runtime.block_on(async {
        match name.as_str() {
            "lateness" => lateness::ours(&task, Metrics::On).await,
            "lateness-without-metrics" => lateness::ours(&task, Metrics::Off).await,
            "lateness-and-reader" => lateness::ours(&task, Metrics::Read).await,
            "peer-lateness" => peer::lateness(&task).await,
            "claims" => claims::ours(&task).await,
            "console" => console::ours(&task).await,
            "memory" => memory::ours(&task).await,
            "peer-memory" => peer::memory(&task).await,
            "downtime" => downtime::ours(&task).await,
            "replica" => replicas::node::run(&task, Route::default()).await,
            "uncoordinated-replica" => replicas::node::run(&task, Route::Fastest).await,
            "sleeping-replica" => replicas::node::sleep(&task).await,
            "hanging-replica" => hanging::nodes(&task).await,
            "later-replica" => hanging::later(&task).await,
            "plain-updates" => sql::plain(&task).await,
            "sql-nodes" => sql::nodes(&task).await,
            "day" => day::ours(&task).await,
            "start" => many::ours_start(&task).await,
            "peer-start" => peer::start(&task).await,
            "failover" => many::ours_failover(&task).await,
            "idle" => idle::ours(&task).await,
            _ => bail!("there is no child `{name}`"),
        }
    })?;
    show(&found)
}

fn show(found: &Found) -> Result<()> {
    for (name, value) in found.iter() {
        println!("{name} {value}");
    }
    Ok(())
}
