//! As whom PostgreSQL and its companions run.

use std::fs;
use std::io;

/// PostgreSQL refuses to run as root: then it runs as the user of its package, or as nobody.
pub(crate) fn other_user() -> io::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let found = ["postgres", "nobody"].iter().find_map(|name| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    });
    Ok(Some(found.unwrap_or((65_534, 65_534))))
}
