//! The process of the sink, the resource to which the jobs of a test cluster write: `sink <log>`. The process prints
//! its address, and ends when its parent is gone.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let path = std::env::args()
        .nth(1)
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    let log = File::options().append(true).create(true).open(path)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    std::io::stdout().write_all(format!("{}\n", listener.local_addr()?).as_bytes())?;
    std::thread::spawn(move || cluster_tests::sink::serve(&listener, log));
    let _ = std::io::stdin().read(&mut [0]);
    Ok(())
}
