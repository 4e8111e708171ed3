//! Memory and processor time of this process, from `/proc`, which exists on Linux only.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel counts processor time for `/proc` in hundredths of a second, whatever its own tick.
const TICKS_PER_SECOND: u64 = 100;

/// Memory that is in RAM, in bytes.
pub(crate) fn resident_bytes() -> Result<u64> {
    let file = "/proc/self/status";
    let status = fs::read_to_string(file).with_context(|| format!("read {file}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .with_context(|| format!("no VmRSS in {file}"))?
        .parse()?;
    Ok(kib * 1024)
}

/// Processor time used so far, in user and kernel mode, by all threads.
pub(crate) fn cpu_time() -> Result<Duration> {
    let file = "/proc/self/stat";
    let stat = fs::read_to_string(file).with_context(|| format!("read {file}"))?;
    // The second field, the program's name, may hold spaces; what follows it is the third.
    let (_, fields) = stat
        .rsplit_once(')')
        .with_context(|| format!("odd {file}"))?;
    let field = |number: usize| -> Result<u64> {
        let text = fields.split_whitespace().nth(number - 3);
        Ok(text.with_context(|| format!("short {file}"))?.parse()?)
    };
    let ticks = field(14)? + field(15)?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
