//! A file that comes from elsewhere: a backup, or one that was away.

use std::fs;

use scheduled_one_protocol::Store;

use crate::other_process::{self, OtherProcess};
use crate::{Place, in_time, register, serving, store};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_a_killed_process_is_not_applied_to_a_backup() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let mut killed = OtherProcess::start(
        "restored::a_log_of_a_killed_process_is_not_applied_to_a_backup",
        &place.path,
    );
    killed.request("register a");
    let first = killed.request("serving");
    let backup = place.back_up();
    killed.request("register b");
    killed.kill();
    assert!(fs::metadata(place.next_to_it("-wal")).unwrap().len() > 0);

    fs::rename(backup, &place.path).unwrap();
    let error = Store::preflight(&store(&place.path)).await.unwrap_err();
    let error = error.to_string();
    for part in ["-wal belongs to another file", "delete", "-shm", "-lock"] {
        assert!(error.contains(part), "{error}");
    }

    fs::remove_file(place.next_to_it("-wal")).unwrap();
    fs::remove_file(place.next_to_it("-shm")).unwrap();
    let restored = store(&place.path);
    assert_ne!(serving(&restored).await, first);
    drop(restored);
    place.check(&["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_a_killed_process_is_applied_to_its_own_file() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let mut killed = OtherProcess::start(
        "restored::a_log_of_a_killed_process_is_applied_to_its_own_file",
        &place.path,
    );
    killed.request("register a");
    let first = killed.request("serving");
    killed.kill();
    assert_eq!(serving(&store(&place.path)).await, first);
    place.check(&["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_put_in_place_of_a_file_in_use_is_used_by_all() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let here = store(&place.path);
    register(&here, "a").await;
    let mut other = OtherProcess::start(
        "restored::a_backup_put_in_place_of_a_file_in_use_is_used_by_all",
        &place.path,
    );
    let first = other.request("serving");
    let backup = place.back_up();
    other.request("register b");

    fs::rename(backup, &place.path).unwrap();
    let second = in_time(serving(&here)).await;
    assert_ne!(second, first);
    assert_eq!(other.request("serving"), second);
    other.request("register c");
    register(&here, "d").await;
    other.stop();
    drop(here);
    place.check(&["a", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_away_and_came_back_is_another_store() {
    if let Some(path) = other_process::is_this() {
        return other_process::serve(&path).await;
    }
    let place = Place::new();
    let here = store(&place.path);
    register(&here, "a").await;
    let mut other = OtherProcess::start(
        "restored::a_file_that_was_away_and_came_back_is_another_store",
        &place.path,
    );
    let first = other.request("serving");

    // The other process does not look meanwhile: its log is not the one that the file has now.
    let away = place.next_to_it(".away");
    fs::rename(&place.path, &away).unwrap();
    let second = in_time(serving(&here)).await;
    fs::rename(&away, &place.path).unwrap();
    let third = in_time(serving(&here)).await;
    assert!(
        third != first && third != second,
        "{first} {second} {third}"
    );
    register(&here, "c").await;
    assert_eq!(other.request("serving"), third);
    other.request("register d");
    other.stop();
    drop(here);
    let units: i64 = place
        .stranger()
        .query_row(
            "SELECT count(*) FROM unit WHERE name IN ('c', 'd')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(units, 2);
}
