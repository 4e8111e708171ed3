//! Faults of one PostgreSQL: deaths, freezes, refusals, and losses of memory.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{Fault, Heals, Made, POSTGRES, keep_doing, last};
use crate::chaos::deployment::{Deployment, Kind, USER};
use crate::chaos::postgres::{MOST_CONNECTIONS, Postgres};
use crate::chaos::seed::Seed;
use crate::chaos::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "postgres-kill",
        family: "store death",
        on: POSTGRES,
        heals: Heals::Reached,
        make: kill,
    },
    Fault {
        name: "postgres-freeze-3s",
        family: "store freeze",
        on: POSTGRES,
        heals: Heals::Reached,
        make: freeze_3,
    },
    Fault {
        name: "postgres-freeze-10s",
        family: "store freeze",
        on: POSTGRES,
        heals: Heals::Reached,
        make: freeze_10,
    },
    Fault {
        name: "postgres-terminate",
        family: "postgres",
        on: POSTGRES,
        heals: Heals::Reached,
        make: terminate,
    },
    Fault {
        name: "postgres-connections",
        family: "limits",
        on: ALONE,
        heals: Heals::Reached,
        make: no_connection,
    },
    Fault {
        name: "postgres-disk-full",
        family: "disk",
        on: ALONE,
        heals: Heals::Reached,
        make: disk_full,
    },
    Fault {
        name: "postgres-read-only",
        family: "server refuses",
        on: POSTGRES,
        heals: Heals::Reached,
        make: read_only,
    },
    Fault {
        name: "postgres-statement-timeout",
        family: "server refuses",
        on: POSTGRES,
        heals: Heals::Reached,
        make: statement_timeout,
    },
    Fault {
        name: "postgres-lock",
        family: "postgres",
        on: POSTGRES,
        heals: Heals::Reached,
        make: lock,
    },
    Fault {
        name: "postgres-rights-removed",
        family: "access",
        on: POSTGRES,
        heals: Heals::Reached,
        make: rights_removed,
    },
    Fault {
        name: "postgres-truncate",
        family: "store forgets",
        on: POSTGRES,
        heals: Heals::Quarantined,
        make: truncate,
    },
];

const ALONE: &[Kind] = &[Kind::Postgres];

/// How long most of them last.
const TIME: Duration = Duration::from_secs(3);

pub(super) fn postgres(world: &World) -> io::Result<&Postgres> {
    match &world.deployment {
        Deployment::Postgres(postgres) => Ok(postgres),
        _ => Err(io::Error::other("there is no PostgreSQL")),
    }
}

fn during(world: &mut World, what: &str, kind: FaultKind, time: Duration) -> io::Result<()> {
    world.window(what, kind, None, |_| {
        last(time);
        Ok(())
    })
}

/// Waits until the server replies to a statement with this.
fn wait_for(world: &mut World, what: &str, statement: &str, reply: &str) -> io::Result<()> {
    world.wait(what, |world| {
        let found = postgres(world).and_then(|it| it.primary().sql(statement));
        found.is_ok_and(|found| found == reply)
    })
}

/// SIGKILL, and a restart: what it acknowledged is there.
fn kill(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(50..=3_000);
    postgres(world)?.primary().kill()?;
    during(world, "PostgreSQL is dead", FaultKind::Isolated, time)?;
    postgres(world)?.primary().restart()?;
    // A synchronous standby has to be back, too.
    world.deployment.mend()?;
    Ok(Made::now())
}

fn freeze_3(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    freeze(world, Duration::from_secs(3))
}

fn freeze_10(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    freeze(world, Duration::from_secs(10))
}

/// SIGSTOP of all its processes: connections stay open, and nothing replies.
fn freeze(world: &mut World, time: Duration) -> io::Result<Made> {
    postgres(world)?.primary().freeze()?;
    during(world, "PostgreSQL is frozen", FaultKind::Isolated, time)?;
    postgres(world)?.primary().thaw()?;
    Ok(Made::now())
}

/// `pg_terminate_backend` of all connections, again and again. A new connection takes a login, and may be gone before
/// it is used: that may cost ticks.
fn terminate(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let every = seed.millis(200..=1_000);
    let what = "pg_terminate_backend in a loop";
    world.window(what, FaultKind::Other, None, |world| {
        let postgres = postgres(world)?;
        keep_doing(TIME, every, || postgres.terminate())
    })?;
    Ok(Made::now())
}

/// Strangers hold all connections that the server allows, and the connections of the nodes are cut.
fn no_connection(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let port = postgres(world)?.primary().port();
    let names: Vec<String> = world.nodes.iter().map(|it| it.name().to_owned()).collect();
    let mut strangers = Vec::new();
    world.window("no connection left", FaultKind::Other, None, |world| {
        keep_doing(TIME, Duration::from_millis(5), || {
            while strangers.len() < MOST_CONNECTIONS {
                let stranger = stranger(port)?;
                if stranger.is_none() {
                    break;
                }
                strangers.extend(stranger);
            }
            names.iter().for_each(|name| world.cut_connections(name));
            Ok(())
        })
    })?;
    drop(strangers);
    let healed = Made::now();
    match postgres(world)?
        .primary()
        .log()
        .contains("too many clients")
    {
        true => Ok(healed),
        false => Err(io::Error::other("nobody was refused")),
    }
}

/// A connection that never says its password; `None` if the server refuses it.
fn stranger(port: u16) -> io::Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let words = format!("user\0{USER}\0database\0postgres\0\0");
    // Its length, the version of the protocol, and parameters.
    let mut message = (words.len() as u32 + 8).to_be_bytes().to_vec();
    message.extend(196_608_u32.to_be_bytes());
    message.extend(words.as_bytes());
    stream.write_all(&message)?;
    let mut kind = [0];
    match stream.read(&mut kind)? {
        // It wants a password.
        1 if kind == *b"R" => Ok(Some(stream)),
        1 => Ok(None),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// No file of the tables can grow: `ENOSPC`. The log has room, as it has a disk of its own where people are careful.
fn disk_full(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let postgres = postgres(world)?;
    postgres.disk.fill()?;
    // The room that is left in the table of ledgers is used up: PostgreSQL makes it longer by many pages at a time.
    let lines = "INSERT INTO scheduled_one.ledger (bucket, job) \
                 SELECT 'filler', 'filler' FROM generate_series(1, 1000000)";
    let refused = postgres.primary().sql(lines);
    if !refused.is_err_and(|error| error.to_string().contains("No space left on device")) {
        return Err(io::Error::other("the disk is not full"));
    }
    during(world, "the disk is full", FaultKind::Other, TIME * 2)?;
    self::postgres(world)?.disk.empty()?;
    Ok(Made::now())
}

/// `default_transaction_read_only`, as an operator sets it before a maintenance, and new connections.
fn read_only(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let primary = postgres(world)?.primary();
    primary.sql("ALTER SYSTEM SET default_transaction_read_only = on")?;
    primary.sql("SELECT pg_reload_conf()")?;
    let show = "SHOW default_transaction_read_only";
    wait_for(world, "the server is read-only", show, "on")?;
    postgres(world)?.terminate()?;
    during(world, "read-only", FaultKind::Isolated, TIME)?;
    let primary = postgres(world)?.primary();
    primary.sql("ALTER SYSTEM RESET default_transaction_read_only")?;
    primary.sql("SELECT pg_reload_conf()")?;
    wait_for(world, "the server takes writes", show, "off")?;
    Ok(Made::now())
}

/// The user of the nodes may take one millisecond for a statement.
fn statement_timeout(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let set = format!("ALTER ROLE {USER} SET statement_timeout = '1ms'");
    postgres(world)?.primary().sql(&set)?;
    postgres(world)?.terminate()?;
    during(world, "statement_timeout = 1ms", FaultKind::Other, TIME)?;
    let reset = format!("ALTER ROLE {USER} RESET statement_timeout");
    postgres(world)?.primary().sql(&reset)?;
    postgres(world)?.terminate()?;
    Ok(Made::now())
}

/// A stranger locks the table of units, as a careless migration does.
fn lock(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let time = seed.millis(2_500..=6_000);
    let hold = "BEGIN; LOCK TABLE scheduled_one.unit; SELECT pg_sleep(600)";
    let sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let mut stranger = postgres(world)?.primary().spawn_sql(hold)?;
    let count = format!("SELECT count(*) {sleeping}");
    wait_for(world, "the stranger has the lock", &count, "1")?;
    during(world, "a stranger has the lock", FaultKind::Isolated, time)?;
    let end = format!("SELECT pg_terminate_backend(pid) {sleeping}");
    postgres(world)?.primary().sql(&end)?;
    let healed = Made::now();
    stranger.wait()?;
    Ok(healed)
}

/// An operator removes a right of the user of the nodes, and grants it again.
fn rights_removed(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let right = *seed.pick(&[
        "USAGE ON SCHEMA scheduled_one",
        "UPDATE ON scheduled_one.unit",
        "SELECT ON scheduled_one.meta",
        "INSERT ON scheduled_one.ledger",
        "DELETE ON scheduled_one.node",
    ]);
    let primary = postgres(world)?.primary();
    primary.sql(&format!("REVOKE {right} FROM {USER}"))?;
    let what = format!("no {right}");
    during(world, &what, FaultKind::Other, TIME)?;
    let primary = postgres(world)?.primary();
    primary.sql(&format!("GRANT {right} TO {USER}"))?;
    Ok(Made::now())
}

/// Somebody empties the tables by mistake.
pub(super) fn truncate(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let tables = [
        "meta", "unit", "node", "job_list", "job", "ledger", "request", "asked",
    ];
    let tables = tables.map(|table| format!("scheduled_one.{table}"));
    // The nodes lock in another order. Of a deadlock, the others are to be the victims: they try again, and this would
    // meet the next one.
    let patient = "SET deadlock_timeout = '30s'";
    let truncate = format!("{patient}; TRUNCATE {}", tables.join(", "));
    world.window("TRUNCATE", FaultKind::MemoryLoss, None, |world| {
        let mut why = None;
        let waited = world.wait("the tables are empty", |world| {
            let truncated = postgres(world).and_then(|it| it.primary().sql(&truncate));
            why = truncated.err();
            why.is_none()
        });
        waited.map_err(|error| io::Error::other(format!("{error}: {why:?}")))
    })?;
    Ok(Made::now())
}
