//! Statements of a job and the outcome of its run: both are committed, or neither.

use scheduled_one_protocol::message::{Finish, Finished, WrittenOff};
use scheduled_one_protocol::{Outcome, Statement, Store, StoreError, TickMs, UnitName};

use super::way_back::{FIRST_SEEN, Node, ONE, caller, expect, refused, repeated, replied};

/// A program with a table of its own in the database of a store: `effect`, with a text `name` as its key.
pub trait Program: Send {
    /// What stands for the first value in a statement: `$1` or `?1`.
    fn place(&self) -> &'static str;

    /// The names in the table, sorted.
    fn names(&mut self) -> Vec<String>;
}

/// Ends runs with statements that work, that fail, that end the transaction, with a copy of the request, and without a
/// lease.
///
/// The namespace and the table are empty at first. Takes a few seconds: a lease is waited for.
///
/// # Errors
///
/// What went wrong, in words.
pub async fn check_commit(store: &dyn Store, program: &mut dyn Program) -> Result<(), String> {
    let insert = format!("INSERT INTO effect (name) VALUES ({})", program.place());
    let insert = |name: &str| Statement::new(insert.clone()).bind(name);
    let mut node = Node::new(store);
    node.register().await.map_err(refused)?;

    // Both are there, and a copy of the request changes nothing.
    let tick = node.now().await?;
    let grant = node.granted(ONE, tick, FIRST_SEEN).await?;
    let end = node.end_of(&grant);
    for copy in ["the request", "a copy of it"] {
        let finished = commit(store, &end, &[insert("first")]).await;
        let finished = finished.map_err(refused)?;
        expect(copy, &finished, finished.recorded)?;
        names_are(program, &["first"])?;
    }
    expect_line(store, Outcome::Ok).await?;

    let second = bad_statements(&mut node, program, tick, &insert).await?;
    lost_lease(&mut node, program, second, &insert("third")).await
}

/// A statement that fails leaves the run as it was, and nothing of those before it. Returns the tick.
async fn bad_statements(
    node: &mut Node<'_>,
    program: &mut dyn Program,
    tick: TickMs,
    insert: impl Fn(&str) -> Statement,
) -> Result<TickMs, String> {
    let store = node.store;
    let next = node.now_after(Some(tick)).await?;
    let grant = node.granted(ONE, next, Some(tick)).await?;
    let end = node.end_of(&grant);
    let nobody = format!(
        "UPDATE effect SET name = {0} WHERE name = {0}",
        program.place()
    );
    let bad = [
        vec![insert("second"), insert("first")],
        vec![
            insert("second"),
            Statement::new("INSERT INTO nowhere VALUES (1)"),
        ],
        vec![insert("second"), Statement::new("this is no SQL")],
        vec![
            insert("second"),
            Statement::new(nobody).bind("nobody").rows(1),
        ],
        vec![
            insert("second"),
            Statement::new("DELETE FROM effect; DELETE FROM effect"),
        ],
        vec![insert("second"), Statement::new("ROLLBACK")],
        vec![Statement::new("/**/;COMMIT"), insert("second")],
        vec![insert("second"), Statement::new("DISCARD ALL")],
        vec![insert("second"), Statement::new(" ")],
        vec![insert("second"), Statement::new("/* hidden */ ROLLBACK")],
    ];
    for statements in bad {
        is_blamed(store, &end, &statements).await?;
        names_are(program, &["first"])?;
    }
    let finished = commit(store, &end, &[insert("second")]).await;
    let finished = finished.map_err(refused)?;
    expect("recorded", &finished, finished.recorded)?;
    names_are(program, &["first", "second"])?;
    Ok(next)
}

/// A run that was written off has no effect any more.
async fn lost_lease(
    node: &mut Node<'_>,
    program: &mut dyn Program,
    next: TickMs,
    statement: &Statement,
) -> Result<(), String> {
    let store = node.store;
    let third = node.now_after(Some(next)).await?;
    let grant = node.granted(ONE, third, Some(next)).await?;
    let end = node.end_of(&grant);
    node.now_after(Some(TickMs(grant.until_ms))).await?;
    let stalled = node.overdue().await?;
    let written_off = store.write_off(&caller(), &stalled).await;
    let written_off = written_off.map_err(refused)?.body;
    let is_gone = |end: &WrittenOff| matches!(end, WrittenOff::Lost | WrittenOff::TakenOver);
    expect(
        "written off",
        &written_off,
        !written_off.is_empty() && written_off.iter().all(is_gone),
    )?;
    for copy in ["the report", "a copy of it"] {
        let finished = commit(store, &end, std::slice::from_ref(statement)).await;
        let finished = finished.map_err(refused)?;
        expect(copy, &finished, !finished.recorded)?;
    }
    names_are(program, &["first", "second"])?;
    expect_line(store, Outcome::FinishedWithoutLease).await
}

/// Ends a run with each of these statements, which fail: the statement is blamed, and the run goes on.
///
/// The namespace is empty at first.
///
/// # Errors
///
/// What went wrong, in words.
pub async fn check_blame(store: &dyn Store, statements: &[Statement]) -> Result<(), String> {
    let mut node = Node::new(store);
    node.register().await.map_err(refused)?;
    let tick = node.now().await?;
    let grant = node.granted(ONE, tick, FIRST_SEEN).await?;
    let end = node.end_of(&grant);
    for statement in statements {
        is_blamed(store, &end, std::slice::from_ref(statement)).await?;
    }
    Ok(())
}

/// Ends runs with each of these statements by itself, then one with a statement that does nothing.
///
/// # Errors
///
/// What went wrong, in words.
pub async fn check_each(store: &dyn Store, statements: &[Statement]) -> Result<(), String> {
    let mut node = Node::new(store);
    let registered = node.register().await.map_err(refused)?;
    let mut after = registered[0].marks.decided.or(FIRST_SEEN);
    let nothing = Statement::new("SELECT 1");
    for statement in statements.iter().chain([&nothing]) {
        let tick = node.now_after(after).await?;
        let grant = node.granted(ONE, tick, after).await?;
        let end = node.end_of(&grant);
        let statement = std::slice::from_ref(statement);
        let finished = commit(store, &end, statement).await.map_err(refused)?;
        expect("recorded", &(statement, finished), finished.recorded)?;
        after = Some(tick);
    }
    Ok(())
}

async fn is_blamed(
    store: &dyn Store,
    end: &Finish,
    statements: &[Statement],
) -> Result<(), String> {
    let failed = commit(store, end, statements).await;
    let is_blamed = matches!(failed, Err(StoreError::Statement(_)));
    expect("the statement is blamed", &(statements, &failed), is_blamed)?;
    let unit = [UnitName::from(ONE)];
    let status = repeated(async || store.inspect(&caller(), &unit).await);
    let status = status.await?.body;
    expect("it still runs", &statements, status[0].running.is_some())
}

async fn commit(
    store: &dyn Store,
    end: &Finish,
    statements: &[Statement],
) -> Result<Finished, StoreError> {
    let reply = replied(async || store.commit(&caller(), end, statements).await);
    Ok(reply.await?.body)
}

fn names_are(program: &mut dyn Program, expected: &[&str]) -> Result<(), String> {
    let names = program.names();
    expect("the names in the table", &names, names == expected)
}

/// The newest line has this outcome.
async fn expect_line(store: &dyn Store, outcome: Outcome) -> Result<(), String> {
    let lines = store.ledger(ONE, 1).await.map_err(refused)?;
    let is_it = lines.first().is_some_and(|line| line.outcome == outcome);
    expect("the newest line", &lines, is_it)
}
