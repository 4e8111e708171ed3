//! The findings about a server.

mod failover;
mod pooler;
mod tables;

use std::sync::atomic::Ordering;
use std::time::Duration;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{DiagnosticContext, Finding, Severity, UnitName, fields};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use self::failover::Followers;
use crate::bounded;
use crate::classify::describe;
use crate::connections::Connections;
use crate::identity::Identity;
use crate::limited::Role;
use crate::load::sound_records;
use crate::preflight::{self, Facts, Tables};
use crate::rows::Column;
use crate::schema;
use crate::shared::Shared;

/// Longest time of the examination after the preflight.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Number of requests that measure clock and round trip.
const SAMPLES: usize = 10;

/// Largest offset of the wall clock without a warning, in milliseconds.
const OFFSET_MS: i64 = 1_000;

/// Largest distance of a high-water mark into the future without a warning: clocks are set back by less.
const AHEAD_MS: i64 = 60_000;

/// Most units whose high-water marks are read.
const MAX_UNITS: usize = 1_024;

/// Most units that a finding names.
const MAX_NAMED: usize = 5;

/// More dead rows than this for each living one are bloat …
const DEAD_FOR_EACH: i64 = 10;

/// … unless they are few.
const FEW_DEAD: i64 = 50_000;

/// Examines the server, and changes nothing.
pub(crate) async fn diagnose(
    connections: &Connections,
    shared: &Shared,
    bucket: &str,
    needs: &DiagnosticContext,
) -> Vec<Finding> {
    let facts = match preflight::examine(connections, shared, Tables::Look).await {
        Ok(facts) => facts,
        Err(error) => return vec![error.finding()],
    };
    let mut findings = of_facts(&facts);
    let has_tables = facts.lacking.statements.is_empty();
    if has_tables {
        findings.push(rights(&facts, shared));
    }
    let followers = Followers {
        standbys: facts.standbys,
        synchronous: &facts.synchronous_standbys,
        wal_sender_timeout_ms: facts.wal_sender_timeout_ms,
    };
    findings.push(failover::failover(followers, needs.shortest_lease));
    let deadline = Instant::now() + TIME_LIMIT;
    let client = match connections.get(deadline).await {
        Ok(client) => client,
        Err(error) => {
            findings.push(error.finding());
            return findings;
        }
    };
    let more = async {
        let mut more = Vec::new();
        let (of_clocks, now_ms) = clocks(&client, needs).await;
        more.extend(of_clocks);
        match has_tables {
            true => {
                more.push(identity(&client, shared, bucket).await);
                more.push(marks(&client, shared, bucket, &needs.units, now_ms).await);
            }
            false => more.push(tables::lacking(&client, shared, &facts).await),
        }
        more.push(bloat(&client, &shared.address.schema).await);
        more.push(pooler::pooler(&client, connections, deadline).await);
        more
    };
    match timeout_at(deadline, more).await {
        Ok(more) => {
            client.give_back();
            findings.extend(more);
        }
        Err(_) => findings.push(not_examined("clock", "no reply came in time")),
    }
    findings.push(pooler::listening(connections, &shared.channel).await);
    findings
}

/// The findings that follow from settings.
pub(crate) fn of_facts(facts: &Facts) -> Vec<Finding> {
    let exposed = facts.exposed_file.as_ref();
    let mut findings = vec![
        Finding::ok("server", format!("PostgreSQL {}", facts.version)),
        Finding::ok("role", "it takes writes"),
        fsync(facts),
        commit(facts),
        room(facts),
    ];
    findings.extend(exposed.map(|path| {
        let (path, check) = (path.display(), "password_file");
        let found = format!(
            "others than its owner may read the password file {path}; libpq would ignore it"
        );
        Finding::new(Severity::Warning, check, found, format!("chmod 600 {path}"))
    }));
    findings
}

/// Whose rights the user has. An operator or viewer is one only for those who run no jobs.
fn rights(facts: &Facts, shared: &Shared) -> Finding {
    const CHECK: &str = "rights";
    let user = &facts.user;
    let who = match facts.role {
        Role::Scheduler => {
            return Finding::ok(CHECK, format!("user {user} may do all that is needed"));
        }
        Role::Operator if shared.is_for_control.load(Ordering::Relaxed) => "an operator",
        Role::Viewer if shared.is_for_control.load(Ordering::Relaxed) => "a viewer",
        _ => return schema::missing_error(&shared.address, &facts.missing).finding(),
    };
    let found = format!("user {user} has the rights of {who}, and no scheduler starts with them");
    Finding::new(Severity::Info, CHECK, found, "")
}

fn fsync(facts: &Facts) -> Finding {
    match facts.fsync.as_str() {
        "on" => Finding::ok("fsync", "what is committed survives a crash of the machine"),
        _ => Finding::new(
            Severity::Warning,
            "fsync",
            "fsync is off: a crash of the machine can forget decisions and damage the tables; each restart is taken \
             for one, and begins a quarantine",
            "ALTER SYSTEM SET fsync = on, then reload",
        ),
    }
}

fn commit(facts: &Facts) -> Finding {
    const CHECK: &str = "commit";
    let standbys = &facts.synchronous_standbys;
    match (facts.synchronous_commit.as_str(), standbys.is_empty()) {
        ("off", _) => Finding::new(
            Severity::Info,
            CHECK,
            "synchronous_commit is off; the transactions of scheduled-one ask for on",
            "",
        ),
        ("local", false) => Finding::new(
            Severity::Warning,
            CHECK,
            format!(
                "synchronous_commit is local, so the standbys ({standbys}) may lack the last decisions when one is \
                 promoted"
            ),
            "ALTER ROLE … SET synchronous_commit = on for the user of scheduled-one",
        ),
        (level, false) => Finding::ok(
            CHECK,
            format!("synchronous_commit is {level}, with the standbys {standbys}"),
        ),
        (level, true) => Finding::new(
            Severity::Info,
            CHECK,
            format!(
                "synchronous_commit is {level}, and there is no synchronous standby: one that is promoted may lack the \
                 last decisions. A change of the timeline begins a quarantine, and the nodes restore what they know"
            ),
            "",
        ),
    }
}

fn room(facts: &Facts) -> Finding {
    let Facts {
        connections,
        max_connections,
        ..
    } = facts;
    let found = format!("{connections} of {max_connections} connections are in use");
    if connections * 10 < max_connections * 9 {
        return Finding::ok("connections", found);
    }
    Finding::new(
        Severity::Warning,
        "connections",
        format!("{found}: a node that finds none claims nothing"),
        "raise max_connections, or put a pooler in front of PostgreSQL; a node needs up to seventeen, and few while few ticks are due",
    )
}

/// Whether the server shows its timeline.
async fn identity(client: &Client, shared: &Shared, bucket: &str) -> Finding {
    const CHECK: &str = "identity";
    let frame = shared.statements.frame(Identity::Timeline);
    match bounded::query(client, frame, &[(&bucket, Type::TEXT)]).await {
        Ok(rows) => {
            let serving = rows.first().and_then(|row| row.try_get(1).ok());
            let serving: String = serving.unwrap_or_default();
            Finding::ok(CHECK, format!("system and timeline {serving}"))
        }
        Err(error) => Finding::new(
            Severity::Info,
            CHECK,
            format!(
                "this server does not show its system identifier and timeline ({}), so each restart begins a quarantine",
                describe(&error)
            ),
            "",
        ),
    }
}

/// Compares clocks, and the round trip with the shortest lease. Returns the later of the clocks, too: one of PostgreSQL
/// that is behind is another finding, and no reason to take decisions back.
async fn clocks(client: &Client, needs: &DiagnosticContext) -> (Vec<Finding>, i64) {
    let wall_ms = || needs.clock.wall().as_millis() as i64;
    match samples(client, &*needs.clock).await {
        Ok((offset_ms, round_trips)) => {
            let lease = round_trip(&round_trips, needs.shortest_lease);
            (vec![offset(offset_ms), lease], wall_ms() - offset_ms.min(0))
        }
        Err(error) => (vec![not_examined("clock", &describe(&error))], wall_ms()),
    }
}

/// The offset of the wall clock by the quickest reply, and the round trips.
async fn samples(client: &Client, clock: &dyn Clock) -> Result<(i64, Vec<Duration>), Error> {
    let mut round_trips = Vec::with_capacity(SAMPLES);
    let (mut best, mut offset_ms) = (Duration::MAX, 0);
    for _ in 0..SAMPLES {
        let sent = clock.boottime();
        let select = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let row = client.query_typed_one(select, &[]).await?;
        let took = clock.boottime().saturating_sub(sent);
        let wall_ms = clock.wall().saturating_sub(took / 2).as_millis() as i64;
        if took < best {
            (best, offset_ms) = (took, wall_ms - row.try_get::<_, i64>(0)?);
        }
        round_trips.push(took);
    }
    Ok((offset_ms, round_trips))
}

fn offset(offset_ms: i64) -> Finding {
    let found = format!("this machine's wall clock is {offset_ms} ms off that of PostgreSQL");
    if offset_ms.abs() <= OFFSET_MS {
        return Finding::ok("clock", found);
    }
    Finding::new(
        Severity::Warning,
        "clock",
        format!(
            "{found}. Jobs are not affected: ticks follow the clock of PostgreSQL; but if that is the wrong one, all of \
             them are"
        ),
        "see which of the two is wrong, and let a time service keep it",
    )
}

fn round_trip(round_trips: &[Duration], lease: Duration) -> Finding {
    let mut sorted = round_trips.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let most = sorted.last().copied().unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let found = format!("{:.1} ms, at most {:.1} ms", ms(median), ms(most));
    if median <= lease / 20 {
        return Finding::ok("round_trip", found);
    }
    Finding::new(
        Severity::Warning,
        "round_trip",
        format!(
            "{found}: a request is two round trips and a commit, more than a tenth of the shortest lease ({lease:?}), so \
             a few slow replies lose it"
        ),
        "a PostgreSQL that is nearer, or a longer lease",
    )
}

/// Finds units that are decided far into the future.
async fn marks(
    client: &Client,
    shared: &Shared,
    bucket: &str,
    units: &[UnitName],
    now_ms: i64,
) -> Finding {
    const CHECK: &str = "marks";
    let units = &units[..units.len().min(MAX_UNITS)];
    let names = Column::texts(units.iter().map(|unit| &**unit));
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&bucket, Type::TEXT), names.parameter()];
    let rows = match bounded::query(client, &shared.statements.units, &parameters).await {
        Ok(rows) => rows,
        Err(error) => return not_examined(CHECK, &describe(&error)),
    };
    let mut ahead: Vec<String> = sound_records(&rows)
        .iter()
        .filter_map(|(unit, record)| {
            let ahead_ms = record.marks.decided?.ms().saturating_sub(now_ms);
            let is_ahead = ahead_ms > AHEAD_MS;
            is_ahead.then(|| format!("{unit} ({} s ahead)", ahead_ms / 1_000))
        })
        .collect();
    if ahead.is_empty() {
        let found = format!("{} units looked at, none decided ahead of now", units.len());
        return Finding::ok(CHECK, found);
    }
    ahead.sort_unstable();
    Finding::new(
        Severity::Warning,
        CHECK,
        format!(
            "{} of {} units count as decided up to an instant that has not come, so they do not run until then: {}. The \
             clock of PostgreSQL was ahead once",
            ahead.len(),
            units.len(),
            ahead[..ahead.len().min(MAX_NAMED)].join(", ")
        ),
        format!(
            "see that the clock of PostgreSQL is right; then wait, or stop all nodes of the namespace, because they \
             remember what was decided, run this, and start them again. What waits in queues is forgotten, and a tick \
             that ran ahead of its time runs when it comes:\n{}",
            take_back(&shared.address.schema, bucket, now_ms)
        ),
    )
}

/// The statement that takes back what was decided ahead of the clock of PostgreSQL, but not before `now_ms`.
fn take_back(schema: &str, bucket: &str, now_ms: i64) -> String {
    let clock = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let now = format!("greatest({clock}, {now_ms})");
    fields::take_back(&format!("\"{schema}\".unit"), bucket, &now)
}

/// Whether vacuum keeps up.
async fn bloat(client: &Client, schema: &str) -> Finding {
    const CHECK: &str = "bloat";
    let select = "SELECT relname::text, n_live_tup, n_dead_tup FROM pg_stat_user_tables \
                  WHERE schemaname = $1 ORDER BY n_dead_tup DESC";
    let rows = match client.query_typed(select, &[(&schema, Type::TEXT)]).await {
        Ok(rows) => rows,
        Err(error) => return not_examined(CHECK, &describe(&error)),
    };
    let worst = rows.first().and_then(|row| {
        let (table, alive, dead) = (row.try_get(0), row.try_get(1), row.try_get(2));
        Some((table.ok()?, alive.ok()?, dead.ok()?))
    });
    let (table, alive, dead): (String, i64, i64) = worst.unwrap_or_default();
    let found = format!("{dead} dead rows and {alive} living ones in {table}");
    if dead <= FEW_DEAD || dead <= alive.saturating_mul(DEAD_FOR_EACH) {
        return Finding::ok(CHECK, found);
    }
    Finding::new(
        Severity::Warning,
        CHECK,
        format!("{found}: vacuum does not keep up, and each heartbeat reads them all"),
        "end transactions that are open for long (pg_stat_activity, xact_start), and see that autovacuum is on",
    )
}

fn not_examined(check: &'static str, why: &str) -> Finding {
    let found = format!("could not be looked at: {why}");
    Finding::new(Severity::Info, check, found, "")
}

#[cfg(test)]
mod tests;
