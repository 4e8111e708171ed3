//! Who may forget a job, and take back what a clock that was ahead has decided of it.

use std::time::{SystemTime, UNIX_EPOCH};

use scheduled_one_postgres::{PostgresStore, grant_operator, grant_viewer, schema};
use scheduled_one_protocol::message::{
    Ask, Cause, ControlRequest, Forget, ForgetRequest, Forgotten, LowerBounds, Register, Request,
};
use scheduled_one_protocol::{
    Directive, LedgerRecord, SkipReason, Store, StoreError, TickMs, UnitName,
};

use super::{Database, SERVER, caller, in_time, registration};

/// A day ahead of the clock.
fn ahead() -> TickMs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    TickMs(now.as_millis() as i64 + 86_400_000)
}

/// A database with a job that no node has, and what it left; and a user.
struct World {
    database: Database,
    service: PostgresStore,
    user: String,
}

impl World {
    /// `grants` are what the user may do, by schema and name.
    async fn new(kind: &str, grants: impl Fn(&str, &str) -> String) -> Self {
        let database = Database::new();
        let [owner, user] = ["owner", kind].map(|role| format!("{role}_{}", database.name));
        for role in [&owner, &user] {
            SERVER.sql(&format!("CREATE ROLE {role} LOGIN")).unwrap();
        }
        database.sql(&schema("scheduled_one", Some(&owner)));
        database.sql(&grants("scheduled_one", &user));
        let service = PostgresStore::new(&database.url_of(&owner), "test").unwrap();
        Store::preflight(&service).await.unwrap();
        let world = World {
            database,
            service,
            user,
        };
        world.leave_a_job().await;
        // Or nothing may be forgotten.
        world
            .database
            .sql("UPDATE scheduled_one.meta SET quarantine_until_ms = quarantine_from_ms");
        world
    }

    async fn leave_a_job(&self) {
        let service = &self.service;
        let described = ControlRequest {
            described: vec![("a".to_owned(), "cron 0 0 3 * * *".to_owned())],
            ..ControlRequest::default()
        };
        in_time(async || service.control(&caller(), &described).await)
            .await
            .unwrap();
        let wild = Register {
            bounds: LowerBounds {
                decided: Some(ahead()),
                ..LowerBounds::default()
            },
            ..registration("a")
        };
        let wild = [wild];
        in_time(async || service.register(&caller(), &wild).await)
            .await
            .unwrap();
        let line =
            LedgerRecord::skipped(&UnitName::from("a"), TickMs(1), SkipReason::Overlap, "n", 1);
        let lines = [line];
        in_time(async || service.record(&caller(), &lines).await)
            .await
            .unwrap();
    }

    /// As the user.
    fn store(&self) -> PostgresStore {
        PostgresStore::new(&self.database.url_of(&self.user), "test").unwrap()
    }

    async fn controlled(&self) -> PostgresStore {
        let store = self.store();
        Store::preflight_for_control(&store).await.unwrap();
        store
    }

    async fn described_ms(&self) -> i64 {
        let read = ControlRequest {
            wants_catalog: true,
            ..ControlRequest::default()
        };
        let reply = in_time(async || self.service.control(&caller(), &read).await).await;
        let catalog = reply.unwrap().body.catalog.unwrap();
        catalog.get("a").map_or(0, |entry| entry.last_ms)
    }

    async fn forget(&self, store: &PostgresStore, what: Forget) -> Result<Forgotten, StoreError> {
        let unit = UnitName::from("a");
        let request = ForgetRequest {
            job: "a".to_owned(),
            units: vec![unit.lane(), unit],
            described_ms: self.described_ms().await,
            directive: Directive::default(),
            what,
        };
        let reply = in_time(async || store.forget(&caller(), &request).await).await;
        reply.map(|reply| reply.body)
    }

    /// How many rows of the job there are in some tables.
    fn rows(&self) -> String {
        let tables = ["unit", "job", "ledger"];
        let counts = tables.map(|table| {
            self.database
                .sql(&format!("SELECT count(*) FROM scheduled_one.{table}"))
        });
        counts.map(|count| count.trim().to_owned()).join(" ")
    }
}

/// The statements of a section of the documentation.
fn documented(user: &str) -> Vec<String> {
    let text = include_str!("../../docs/postgres.md");
    let (_, section) = text.split_once("### Who may forget jobs").unwrap();
    let (_, block) = section.split_once("```sql\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let of_user = |line: &str| line.replace("\"jobs\"", &format!("\"{user}\""));
    block.lines().map(of_user).collect()
}

fn refusal(result: Result<Forgotten, StoreError>) -> String {
    match result {
        Err(StoreError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Those of a scheduler: the end of the statements of the tables.
fn of_a_scheduler(name: &str, user: &str) -> String {
    let all = schema(name, Some(user));
    let grants = all.lines().filter(|line| line.starts_with("GRANT"));
    grants.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_documented_rights_to_forget_suffice_and_each_is_needed() {
    let world = World::new("jobs", of_a_scheduler).await;
    let store = world.store();
    Store::preflight(&store).await.unwrap();
    let more = documented(&world.user);
    assert_eq!(more.len(), 3, "{more:?}");
    let text = refusal(world.forget(&store, Forget::Everything).await);
    for grant in &more {
        assert!(text.contains(grant), "{text}");
        world.database.sql(grant);
    }
    let needed = ["ledger", "request", "asked"];
    let needed = needed.map(|table| {
        let user = &world.user;
        format!("GRANT DELETE ON \"scheduled_one\".{table} TO \"{user}\";")
    });
    for grant in more.iter().chain(&needed) {
        let revoke = grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM ");
        world.database.sql(&revoke);
        let text = refusal(world.forget(&store, Forget::Everything).await);
        assert!(text.contains("may not forget jobs"), "{text}");
        assert_eq!(world.rows(), "1 1 1", "without {grant}");
        world.database.sql(grant);
    }
    let taken_back = world.forget(&store, Forget::MarksAhead).await.unwrap();
    assert_eq!(taken_back, Forgotten::TakenBack(1));
    let forgotten = world.forget(&store, Forget::Everything).await.unwrap();
    assert_eq!(forgotten, Forgotten::Removed);
    assert_eq!(world.rows(), "0 0 0");
}

#[tokio::test]
async fn an_operator_takes_marks_back_and_forgets_no_job() {
    let world = World::new("operator", grant_operator).await;
    let store = world.controlled().await;
    let text = refusal(world.forget(&store, Forget::Everything).await);
    assert!(text.contains("may not forget jobs"), "{text}");
    assert_eq!(world.rows(), "1 1 1");
    assert!(store.trail(None, 9).await.unwrap().is_empty());
    let taken_back = world.forget(&store, Forget::MarksAhead).await.unwrap();
    assert_eq!(taken_back, Forgotten::TakenBack(1));
    let again = world.forget(&store, Forget::MarksAhead).await.unwrap();
    assert_eq!(again, Forgotten::TakenBack(0));
}

/// A request that somebody made while the clock was ahead waits for nothing but its turn.
#[tokio::test]
async fn an_operator_takes_marks_back_and_requests_stay() {
    let world = World::new("operator", grant_operator).await;
    let ask = Ask {
        unit: UnitName::from("a"),
        request: Request {
            id: "r1".to_owned(),
            cause: Cause::Manual,
            actor: "ann".to_owned(),
            note: String::new(),
            logical: None,
            on_busy: None,
            parameters: String::new(),
        },
    };
    let asks = [ask];
    in_time(async || world.service.ask(&caller(), &asks).await)
        .await
        .unwrap();
    let ms = ahead().ms();
    world.database.sql(&format!(
        "UPDATE scheduled_one.unit SET decided_ms = {ms}, waiting = '{ms}:1:0' WHERE name = 'a!'; \
         UPDATE scheduled_one.request SET tick_ms = {ms}"
    ));
    let store = world.controlled().await;
    let taken_back = world.forget(&store, Forget::MarksAhead).await.unwrap();
    assert_eq!(taken_back, Forgotten::TakenBack(1));
    let waits = "SELECT count(*) FROM scheduled_one.request AS r JOIN scheduled_one.unit AS u ON u.name = r.lane \
                 WHERE u.waiting <> ''";
    assert_eq!(world.database.sql(waits).trim(), "1");
}

#[tokio::test]
async fn a_viewer_forgets_nothing() {
    let world = World::new("viewer", grant_viewer).await;
    let store = world.controlled().await;
    for what in [Forget::Everything, Forget::MarksAhead] {
        let text = refusal(world.forget(&store, what).await);
        assert!(text.contains("may look and change nothing"), "{text}");
    }
    assert_eq!(world.rows(), "1 1 1");
}
