//! Tables of an older or a newer version.

use rusqlite::Connection;
use scheduled_one_protocol::{Store, StoreError, UnitName};

use crate::{Place, caller, registration, serving};

/// The columns of all tables, `table.column`, without those of keys.
fn columns(connection: &Connection) -> Vec<(String, String)> {
    let select = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                  WHERE t.type = 'table' AND c.pk = 0 ORDER BY 1, 2";
    let mut select = connection.prepare(select).unwrap();
    let columns = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    columns.unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn columns_that_an_older_version_did_not_have_are_added() {
    let place = Place::new();
    let unit = UnitName::from("a");
    place
        .store()
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    let stranger = place.stranger();
    let all = columns(&stranger);
    // These two have no list of fields, and columns of an index cannot be dropped.
    let drop_of = |(table, column): &(String, String)| {
        let is_of_list = table != "history" && table != "asked";
        let drop = format!("ALTER TABLE {table} DROP COLUMN {column}");
        (is_of_list && stranger.execute_batch(&drop).is_ok()).then(|| table.clone())
    };
    let mut shortened: Vec<String> = all.iter().filter_map(drop_of).collect();
    shortened.dedup();
    let tables = [
        "checkpoint",
        "job",
        "job_list",
        "ledger",
        "meta",
        "node",
        "request",
        "trail",
        "unit",
    ];
    assert_eq!(shortened, tables);

    place.store().inspect(&caller(), &[unit]).await.unwrap();
    assert_eq!(columns(&stranger), all);
    // One alone, of each table.
    for table in tables {
        let drop = all.iter().find(|(of, _)| of == table).and_then(drop_of);
        assert!(drop.is_some(), "{table}");
        Store::preflight(&place.store()).await.unwrap();
        assert_eq!(columns(&stranger), all, "{table}");
    }
}

#[tokio::test]
async fn a_running_node_leaves_the_tables_of_a_newer_version_alone() {
    let place = Place::new();
    let store = place.store();
    serving(&store).await;
    let stranger = place.stranger();
    stranger.pragma_update(None, "user_version", 99).unwrap();
    let error = store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap_err();
    let StoreError::Unavailable(text) = error else {
        panic!("{error:?}");
    };
    assert!(
        text.contains("version 99, this is version 1: upgrade"),
        "{text}"
    );
    let units: i64 = stranger
        .query_row("SELECT count(*) FROM unit", [], |row| row.get(0))
        .unwrap();
    assert_eq!(units, 0);
    stranger.pragma_update(None, "user_version", 1).unwrap();
    serving(&store).await;
}
