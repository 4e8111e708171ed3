//! The server refuses: no room, no memory, no disk, the wrong role, not yet.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;
use test_support::RedisServer;

use super::{Fault, Heals, Made, ONE, keep_doing, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "maxclients",
        family: "limits",
        on: ONE,
        heals: Heals::Reached,
        make: max_clients,
    },
    Fault {
        name: "oom",
        family: "server refuses",
        on: ONE,
        heals: Heals::Reached,
        make: oom,
    },
    Fault {
        name: "misconf",
        family: "server refuses",
        on: ONE,
        heals: Heals::Reached,
        make: misconf,
    },
    Fault {
        name: "readonly",
        family: "server refuses",
        on: ONE,
        heals: Heals::Quarantined,
        make: readonly,
    },
    Fault {
        name: "loading",
        family: "server refuses",
        on: ONE,
        heals: Heals::Quarantined,
        make: loading,
    },
];

/// How long each of them lasts.
const TIME: Duration = Duration::from_secs(3);

/// Somebody else has all connections that the server allows, and those of the
/// nodes are cut.
fn max_clients(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    const MOST: usize = 40;
    let port = world.deployment.server()?.port();
    set(world.deployment.server()?, "maxclients", &MOST.to_string())?;
    let names: Vec<String> = world.nodes.iter().map(|it| it.name().to_owned()).collect();
    let mut hogs: Vec<TcpStream> = Vec::new();
    world.window("no connection left", FaultKind::Other, None, |world| {
        keep_doing(TIME, Duration::from_millis(5), || {
            if hogs.len() < MOST {
                hogs.extend(TcpStream::connect(("127.0.0.1", port)));
            }
            names.iter().for_each(|name| world.cut_connections(name));
            hogs.retain(is_open);
            Ok(())
        })
    })?;
    drop(hogs);
    let healed = Made::now();
    // The nodes are back before the server has noticed that the others are gone.
    world.wait("the server takes a connection", |world| {
        let server = world.deployment.server();
        server.is_ok_and(|server| set(server, "maxclients", "10000").is_ok())
    })?;
    if info(world, "stats").contains("rejected_connections:0") {
        return Err(io::Error::other("nobody was refused"));
    }
    Ok(healed)
}

/// A connection that the server refused is closed by it.
fn is_open(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let mut byte = [0];
    match stream.peek(&mut byte) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// No memory for writes.
fn oom(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    set(world.deployment.server()?, "maxmemory", "1")?;
    during(world, "out of memory")?;
    set(world.deployment.server()?, "maxmemory", "0")?;
    Ok(Made::now())
}

/// The last snapshot failed: the server takes no writes.
fn misconf(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let server = world.deployment.server()?;
    let answer = server.command(&["CONFIG", "GET", "dir"])?;
    let folder = PathBuf::from(answer.lines().last().unwrap_or_default());
    let in_the_way = folder.join("dump.rdb");
    let _ = fs::remove_file(&in_the_way);
    fs::create_dir(&in_the_way)?;
    set(server, "save", "3600 1000000")?;
    server.command(&["BGSAVE"])?;
    world.wait("the snapshot has failed", |world| {
        info(world, "persistence").contains("rdb_last_bgsave_status:err")
    })?;
    during(world, "MISCONF")?;
    let server = world.deployment.server()?;
    set(server, "save", "")?;
    fs::remove_dir(&in_the_way)?;
    let healed = Made::now();
    server.command(&["BGSAVE"])?;
    world.wait("a snapshot is made", |world| {
        info(world, "persistence").contains("rdb_last_bgsave_status:ok")
    })?;
    Ok(healed)
}

/// The server is told to follow another one, which is not there.
fn readonly(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let server = world.deployment.server()?;
    server.command(&["REPLICAOF", "127.0.0.1", "1"])?;
    during(world, "READONLY")?;
    world
        .deployment
        .server()?
        .command(&["REPLICAOF", "NO", "ONE"])?;
    Ok(Made::now())
}

/// The server reads its data again, slowly.
fn loading(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let server = world.deployment.server()?;
    set(server, "loading-process-events-interval-bytes", "1024")?;
    let keys: u64 = server
        .command(&["DBSIZE"])?
        .parse()
        .map_err(io::Error::other)?;
    let delay_us = TIME.as_micros() as u64 / (keys + 1);
    set(server, "key-load-delay", &delay_us.to_string())?;
    world.window("LOADING", FaultKind::Other, None, |world| {
        let server = world.deployment.server()?;
        thread::scope(|scope| {
            // It answers when it is done, or not in time.
            let reload = scope.spawn(|| server.command(&["DEBUG", "RELOAD"]));
            let seen = keep_doing(TIME / 2, TIME / 100, || {
                match info(world, "persistence").contains("loading:1") {
                    true => Ok(()),
                    false => Err(io::Error::other("the server does not load")),
                }
            });
            let _ = reload.join();
            seen
        })
    })?;
    world.wait("the server has loaded", |world| {
        info(world, "persistence").contains("loading:0")
    })?;
    let healed = Made::now();
    set(world.deployment.server()?, "key-load-delay", "0")?;
    Ok(healed)
}

fn during(world: &mut World, what: &str) -> io::Result<()> {
    world.window(what, FaultKind::Isolated, None, |_| {
        last(TIME);
        Ok(())
    })
}

fn set(server: &RedisServer, name: &str, value: &str) -> io::Result<()> {
    server.command(&["CONFIG", "SET", name, value]).map(drop)
}

fn info(world: &World, section: &str) -> String {
    let server = world.deployment.server();
    let answer = server.and_then(|server| server.command(&["INFO", section]));
    answer.unwrap_or_default()
}
