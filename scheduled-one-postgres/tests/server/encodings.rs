//! Databases that encode texts in another way than UTF-8.

use scheduled_one_postgres::{ConnectError, PostgresStore};
use scheduled_one_protocol::message::{Checkpoint, CheckpointRequest, Checkpointed};
use scheduled_one_protocol::{FencingToken, Severity, Store, UnitName};

use super::doctor::needs;
use super::{SERVER, caller, in_time, registration, serving};

/// A store in a new database with this encoding.
fn store_in(encoding: &str) -> PostgresStore {
    let name = format!("in_{}", encoding.to_lowercase());
    SERVER
        .sql(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        ))
        .unwrap();
    let url = SERVER.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    PostgresStore::new(&format!("{server}/{name}"), "test").unwrap()
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_refused() {
    for encoding in ["LATIN1", "WIN1252", "EUC_JP"] {
        let store = store_in(encoding);
        let error = Store::preflight(&store).await.unwrap_err();
        let text = error.to_string();
        for part in [encoding, "in_", "ENCODING 'UTF8'"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let cause = *error.cause.downcast::<ConnectError>().unwrap();
        assert!(matches!(cause, ConnectError::Refused { .. }), "{cause}");
        let error = Store::preflight_for_control(&store).await.unwrap_err();
        assert_eq!(error.to_string(), text);
        let report = Store::diagnose(&store, &needs()).await;
        let server = report.finding("server").unwrap();
        assert_eq!(server.severity, Severity::Severe, "{report}");
        assert_eq!(server.found, text);
    }
}

/// It keeps bytes as they are, and knows nothing of characters.
#[tokio::test]
async fn a_database_without_an_encoding_keeps_every_text() {
    let store = store_in("SQL_ASCII");
    assert!(Store::preflight(&store).await.is_ok());
    serving(&store).await;
    let registered = in_time(async || store.register(&caller(), &[registration("a")]).await);
    registered.await.unwrap();
    let text = "naïve → 漢字 🕰 \u{7f}\u{80}\u{10ffff}".to_owned();
    let write = Checkpoint {
        token: FencingToken(1),
        text: text.clone(),
    };
    let request = |write| CheckpointRequest {
        unit: UnitName::from("a"),
        write,
    };
    let written = in_time(async || {
        let request = request(Some(write.clone()));
        store.checkpoint(&caller(), &request).await
    });
    written.await.unwrap();
    let read = in_time(async || store.checkpoint(&caller(), &request(None)).await);
    let Checkpointed::Found(Some(found)) = read.await.unwrap().body else {
        panic!("no checkpoint");
    };
    assert_eq!(found.text, text);
}
