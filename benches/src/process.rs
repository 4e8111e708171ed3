//! Memory and processor time of this process, from `/proc`, which exists on Linux only.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

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

/// Processor time used so far by the threads that there are, in user and kernel mode.
pub(crate) fn cpu_time() -> Result<Duration> {
    // In nanoseconds. `/proc/self/stat` counts hundredths of a second: one of them is all that an idle node takes in a
    // window.
    let threads = "/proc/self/task";
    let mut nanoseconds = 0;
    for thread in fs::read_dir(threads).with_context(|| format!("read {threads}"))? {
        let file = thread?.path().join("schedstat");
        // A thread may end meanwhile.
        let Ok(times) = fs::read_to_string(&file) else {
            continue;
        };
        let on_cpu = times.split_whitespace().next();
        let on_cpu = on_cpu.with_context(|| format!("nothing in {}", file.display()))?;
        nanoseconds += on_cpu.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
