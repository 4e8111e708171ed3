//! PostgreSQL servers that tests start.

use test_support::PostgresServer;

#[test]
fn a_server_keeps_its_data_when_it_is_killed() {
    let server = PostgresServer::start().expect("a PostgreSQL");
    server
        .sql("CREATE TABLE kept AS SELECT 7 AS seven")
        .expect("made");
    server.kill().expect("killed");
    assert!(server.sql("SELECT 1").is_err());
    server.restart().expect("restarted");
    assert_eq!(server.sql("SELECT seven FROM kept").expect("a row"), "7");
    server.freeze().expect("frozen");
    server.thaw().expect("thawed");
    assert_eq!(server.sql("SELECT seven FROM kept").expect("a row"), "7");
    assert!(server.data().join("PG_VERSION").is_file());
}

#[test]
fn a_server_with_a_password_wants_it() {
    let server = PostgresServer::options()
        .password("secret")
        .setting("max_connections", "7")
        .start()
        .expect("a PostgreSQL");
    assert_eq!(server.sql("SHOW max_connections").expect("a row"), "7");
    assert!(server.url().contains(":secret@"));
    assert!(!format!("{server:?}").contains("secret"));
}

#[test]
fn a_standby_follows_until_it_is_promoted() {
    let primary = PostgresServer::start().expect("a PostgreSQL");
    primary
        .sql("CREATE TABLE kept AS SELECT 7 AS seven")
        .expect("made");
    let standby = primary.standby().expect("a standby");
    assert_eq!(standby.sql("SELECT seven FROM kept").expect("a row"), "7");
    let error = standby.sql("CREATE TABLE other ()").unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    standby.promote().expect("promoted");
    standby.sql("CREATE TABLE other ()").expect("made");
}
