//! An operator of a test cluster, to be killed in the midst of what it does: url, job, beginning of its ids, log.

use std::fs::File;
use std::io;

use cluster_tests::operator;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, job, id, path] = &args[..] else {
        return Err(io::Error::other("url, job, ids, log"));
    };
    // A test that dies leaves no operator behind: it holds a pipe to it.
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(3);
    });
    let log = File::options().append(true).create(true).open(path)?;
    operator::operate(url, job, id, &log)
}
