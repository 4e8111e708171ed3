//! The same for programs.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Reply, World, request, send};

async fn call(world: &World, path: &str, headers: &[(&str, &str)], body: Value) -> Reply {
    let mut request = request(Method::POST, path).header("sec-fetch-site", "same-origin");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&world.console, request.body(body.to_string())).await
}

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_in_pages() {
    let world = World::new().await;
    let reply = world.get("/api/v1/jobs?limit=3").await.is(200).json();
    assert_eq!(reply["jobs"].as_array().map(Vec::len), Some(3));
    assert_eq!(reply["next"], "nightly");
    let reply = world.get("/api/v1/jobs?after=nightly").await.is(200).json();
    assert_eq!(reply["jobs"][0]["name"], "patient");
    assert_eq!(reply["jobs"][0]["nodes"], 1);
    assert_eq!(reply["next"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_job_has_its_version_as_etag() {
    let world = World::new().await;
    world.ran("nightly").await;
    let reply = world.get("/api/v1/jobs/nightly").await.is(200);
    assert_eq!(reply.header("etag"), "\"0\"");
    let job = reply.json();
    assert_eq!(job["schedule"], "every 1h");
    assert_eq!(job["ledger"][0]["outcome"], "ok");
    assert_eq!(job["ledger"][0]["cause"], "manual");
    let reply = world.get("/api/v1/jobs/nosuch").await.is(404).json();
    assert_eq!(reply["error"]["code"], "unknown_job");
}

#[tokio::test(start_paused = true)]
async fn a_change_with_another_version_is_refused() {
    let world = World::new().await;
    let path = "/api/v1/jobs/nightly:pause";
    let body = json!({ "note": "n", "until": "2999-01-01T00:00:00Z" });
    let reply = call(&world, path, &[("if-match", "\"0\"")], body)
        .await
        .is(200);
    let version = reply.header("etag").to_owned();
    assert_eq!(reply.json()["already"], false);
    assert_eq!(format!("\"{}\"", reply.json()["version"]), version);
    let reply = call(&world, path, &[("if-match", "\"0\"")], json!({}))
        .await
        .is(412);
    assert_eq!(reply.json()["error"]["code"], "conflict");
    let job = world.get("/api/v1/jobs/nightly").await.is(200).json();
    assert_eq!(job["pauses"][0]["note"], "n");
    assert_eq!(job["pauses"][0]["by"], "ann");
    assert_eq!(job["pauses"][0]["until"], "2999-01-01T00:00:00Z");
    call(
        &world,
        "/api/v1/jobs/nightly:resume",
        &[("if-match", &version)],
        json!({}),
    )
    .await
    .is(200);
    call(
        &world,
        "/api/v1/jobs/nightly:resume",
        &[("if-match", "W/x")],
        json!({}),
    )
    .await
    .is(400);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_starts_one_run() {
    let world = World::new().await;
    let path = "/api/v1/jobs/echo:run";
    let key = [("idempotency-key", "order-7")];
    let body = json!({ "params": [1, 2], "scheduled_at": "2026-01-01T00:00:00Z" });
    let reply = call(&world, path, &key, body.clone()).await.is(202).json();
    assert_eq!(reply, json!({ "id": "order-7", "already": false }));
    let reply = call(&world, path, &key, body).await.is(202).json();
    assert_eq!(reply["already"], true);
    crate::world::eventually("it ran", async || {
        let job = world.get("/api/v1/jobs/echo").await.json();
        job["ledger"][0]["error"] == "[1,2]" && job["ledger"][0]["tick"] == "2026-01-01T00:00:00Z"
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_by_its_token() {
    let world = World::new().await;
    let token = world.running("patient").await;
    let job = world.get("/api/v1/jobs/patient").await.is(200).json();
    assert_eq!(job["open_runs"][0]["token"], token);
    let path = format!("/api/v1/jobs/patient/runs/{token}:cancel");
    call(&world, &path, &[], json!({ "note": "n", "shard": 0 }))
        .await
        .is(202);
    let reply = call(
        &world,
        "/api/v1/jobs/patient/runs/99999:cancel",
        &[],
        json!({}),
    )
    .await
    .is(409);
    assert_eq!(reply.json()["error"]["code"], "gone");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_in_json() {
    let world = World::new().await;
    let wrong = [
        ("/api/v1/jobs/nightly:explode", json!({}), 404),
        ("/api/v1/jobs/nightly", json!({}), 404),
        ("/api/v1/jobs/patient/runs/x:cancel", json!({}), 404),
        ("/api/v1/nosuch", json!({}), 404),
        ("/api/v1/jobs/nightly:pause", json!({ "untli": "x" }), 400),
        ("/api/v1/jobs/nightly:pause", json!({ "until": "x" }), 400),
        ("/api/v1/jobs/nightly:run", json!({ "on_busy": "x" }), 400),
        ("/api/v1/jobs/nightly:run", json!("text"), 400),
    ];
    for (path, body, status) in wrong {
        let reply = call(&world, path, &[], body).await.is(status);
        assert_eq!(reply.header("content-type"), "application/json", "{path}");
        assert!(reply.json()["error"]["message"].is_string(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_router_refuses_is_said_in_json() {
    let world = World::new().await;
    let wrong = [
        (Method::GET, "/api/v1/jobs?limit=x", 400, "argument"),
        (Method::GET, "/api/v1/jobs/%FF", 400, "argument"),
        (Method::POST, "/api/v1/jobs/%FF", 400, "argument"),
        (Method::DELETE, "/api/v1/jobs/nightly", 405, "method"),
        (Method::PUT, "/api/v1/jobs", 405, "method"),
    ];
    for (method, path, status, code) in wrong {
        let sent = request(method, path).header("sec-fetch-site", "same-origin");
        let reply = send(&world.console, sent.body(String::new()))
            .await
            .is(status);
        assert_eq!(reply.header("content-type"), "application/json", "{path}");
        assert_eq!(reply.json()["error"]["code"], code, "{path}");
        assert_ne!(reply.json()["error"]["message"], "", "{path}");
        assert_eq!(reply.header("allow").is_empty(), status != 405, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backfill_is_begun_and_ended_by_who_saw_the_job_as_it_is() {
    let world = World::new().await;
    tokio::time::sleep(std::time::Duration::from_secs(3 * 3_600 + 60)).await;
    let (from, to) = ("2026-01-01T00:30:00Z", "2026-01-01T02:30:00Z");
    let body = json!({ "from": from, "to": to, "only": "failed" });
    let (begin, end) = (
        "/api/v1/jobs/broken:backfill",
        "/api/v1/jobs/broken:stop-backfill",
    );
    world.control.pause("broken").await.expect("paused");
    let described = world.control.describe("broken").await.expect("described");
    let version = format!("\"{}\"", described.version);
    let (old, now) = ([("if-match", "\"0\"")], [("if-match", &*version)]);
    let state = async || world.control.backfill_state("broken").await.expect("state");
    let reply = call(&world, begin, &old, body.clone()).await.is(412).json();
    assert_eq!(reply["error"]["code"], "conflict");
    assert_eq!(state().await, None, "nothing has begun");
    call(&world, begin, &now, body).await.is(202);
    assert!(state().await.is_some());
    call(&world, end, &old, json!({})).await.is(412);
    let reply = call(&world, end, &now, json!({ "note": "n" })).await;
    assert_eq!(reply.is(200).json(), json!({ "stopped": true }));
    let reply = call(&world, end, &[], json!({})).await.is(200).json();
    assert_eq!(reply, json!({ "stopped": false }));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_looked_at_and_changed_and_given_back() {
    let world = World::new().await;
    let post = async |verb: &str, version: &str, body: &str| {
        let sent = request(Method::POST, &format!("/api/v1/jobs/nightly:{verb}"))
            .header("if-match", version)
            .header("sec-fetch-site", "same-origin");
        send(&world.console, sent.body(body.to_owned())).await
    };
    let wanted = r#"{ "schedule": "0 30 4 * * *", "note": "after the backup", "dry_run": true }"#;
    let looked = post("reschedule", "*", wanted).await.is(200).json();
    assert_eq!(looked["next"][0], "2026-01-01T04:30:00Z");
    assert_eq!(
        (&looked["already"], &looked["version"]),
        (&false.into(), &0.into())
    );
    let described = world.control.describe("nightly").await.expect("described");
    assert_eq!(described.overridden, None, "nothing was changed");

    let wanted = wanted.replace("true", "false");
    let changed = post("reschedule", "\"0\"", &wanted).await.is(200);
    let described = world.control.describe("nightly").await.expect("described");
    let version = format!("\"{}\"", described.version);
    assert_eq!(changed.header("etag"), version);
    let other = described.overridden.expect("another schedule").wanted;
    assert_eq!((&*other.text, &*other.by), ("0 30 4 * * *", "ann"));
    post("reset", "\"0\"", "").await.is(412).has("conflict");
    let reset = post("reset", &version, "").await.is(200);
    assert_ne!(reset.header("etag"), version);
    assert_eq!(reset.json()["already"], false);
    let again = post("reset", "*", "").await.is(200).json();
    assert_eq!(again["already"], true);
}

#[tokio::test(start_paused = true)]
async fn a_backfill_is_looked_at_before_it_runs() {
    let world = World::new().await;
    tokio::time::sleep(std::time::Duration::from_secs(3 * 3_600 + 60)).await;
    let post = async |dry_run: bool| {
        let range = r#""from": "2026-01-01T00:30:00Z", "to": "2026-01-01T02:30:00Z""#;
        let body = format!(r#"{{ {range}, "only": "failed", "dry_run": {dry_run} }}"#);
        let sent = request(Method::POST, "/api/v1/jobs/broken:backfill")
            .header("sec-fetch-site", "same-origin");
        send(&world.console, sent.body(body)).await
    };
    let looked = post(true).await.is(200).json();
    let ticks = looked["ticks"].as_array().expect("ticks");
    let ticks: Vec<&str> = ticks.iter().filter_map(|it| it["tick"].as_str()).collect();
    assert_eq!(ticks, ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]);
    let state = async || world.control.backfill_state("broken").await.expect("state");
    assert_eq!(state().await, None, "nothing has begun");
    assert_eq!(post(false).await.is(202).json()["ticks"], looked["ticks"]);
    let begun = state().await.expect("a backfill");
    assert_eq!((begun.total, &*begun.by), (2, "ann"));
}
