//! The description of the API says what the routes do.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, request, send};

fn description() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).expect("JSON")
}

/// Operations as `GET /path`, of the description.
fn described() -> BTreeSet<String> {
    let description = description();
    let paths = description["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("methods").keys();
        methods
            .map(|method| format!("{} {path}", method.to_uppercase()))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// The same of the sources: the routes, and the verbs of those that end with one.
fn routed() -> BTreeSet<String> {
    let routes = include_str!("../../src/routes.rs");
    let api = include_str!("../../src/api/act.rs");
    let verbs: Vec<&str> = api
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix('"')?
                .split_once("\" => {")
                .map(|it| it.0)
        })
        .collect();
    assert_eq!(
        verbs,
        [
            "pause",
            "resume",
            "run",
            "reschedule",
            "reset",
            "backfill",
            "stop-backfill"
        ]
    );
    let mut found = BTreeSet::new();
    for route in routes.split(".route(").skip(1) {
        let path = route.split('"').nth(1).expect("a path");
        if !path.starts_with("/api/") {
            continue;
        }
        if route.contains("get(") {
            found.insert(format!("GET {path}"));
        }
        match (route.contains("post("), path.ends_with("{token}")) {
            (true, true) => {
                found.insert(format!("POST {path}:cancel"));
            }
            (true, false) => found.extend(verbs.iter().map(|verb| format!("POST {path}:{verb}"))),
            (false, _) => {}
        }
    }
    found
}

#[test]
fn each_route_is_described_and_each_description_is_a_route() {
    assert_eq!(described(), routed());
}

/// What of a value the schema does not have, and the other way round, as paths.
fn differences(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let all = description();
    let schema = match schema["$ref"].as_str() {
        Some(name) => &all["components"]["schemas"][name.rsplit('/').next().expect("a name")],
        None => schema,
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        several => several
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&kind) {
        found.push(format!("{at} is {kind} and not {types:?}"));
    }
    if let Value::Object(fields) = value {
        let named: BTreeSet<&String> = schema["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .collect();
        let has: BTreeSet<&String> = fields.keys().collect();
        found.extend(
            named
                .symmetric_difference(&has)
                .map(|name| format!("{at}.{name}")),
        );
        for (name, field) in fields {
            differences(
                &schema["properties"][name],
                field,
                &format!("{at}.{name}"),
                found,
            );
        }
    }
    for item in value.as_array().into_iter().flatten() {
        differences(&schema["items"], item, at, found);
    }
}

fn backfill(dry_run: bool) -> Value {
    let (from, to) = ("2026-01-01T00:30:00Z", "2026-01-01T02:30:00Z");
    json!({ "from": from, "to": to, "only": "all", "dry_run": dry_run })
}

/// Requests that change nothing: path, and that of the description.
const LOOKS: [(&str, &str); 7] = [
    ("/api/v1/jobs?limit=2", "/api/v1/jobs"),
    ("/api/v1/jobs/broken", "/api/v1/jobs/{job}"),
    ("/api/v1/jobs/patient", "/api/v1/jobs/{job}"),
    ("/api/v1/jobs/nosuch", "/api/v1/jobs/{job}"),
    ("/api/v1/jobs?limit=x", "/api/v1/jobs"),
    ("/api/v1/jobs/%FF", "/api/v1/jobs/{job}"),
    ("/api/v1/nodes", "/api/v1/nodes"),
];

/// Actions: job, verb, body.
fn actions() -> [(&'static str, &'static str, Value); 12] {
    let schedule = "0 30 4 * * *";
    [
        ("nightly", "pause", json!({ "note": "n" })),
        ("nightly", "resume", json!({ "catch_up": true })),
        ("echo", "run", json!({ "params": 1 })),
        ("echo", "run", json!({ "until": "x" })),
        (
            "nightly",
            "reschedule",
            json!({ "schedule": schedule, "tz": "Europe/Berlin", "dry_run": true }),
        ),
        ("nightly", "reschedule", json!({ "schedule": "at dawn" })),
        ("nightly", "reset", json!({ "note": "n" })),
        ("broken", "backfill", backfill(true)),
        ("broken", "backfill", backfill(false)),
        ("broken", "backfill", json!({ "only": "some" })),
        ("broken", "stop-backfill", json!({ "note": "n" })),
        ("broken", "stop-backfill", json!({ "untli": "n" })),
    ]
}

/// Requests: method, path, the path of the description, body.
fn calls(token: u64) -> Vec<(Method, String, String, Value)> {
    let look =
        |(path, of): (&str, &str)| (Method::GET, path.to_owned(), of.to_owned(), json!(null));
    let act = |(job, verb, body)| {
        let path = format!("/api/v1/jobs/{job}:{verb}");
        (
            Method::POST,
            path,
            format!("/api/v1/jobs/{{job}}:{verb}"),
            body,
        )
    };
    let cancel = (
        Method::POST,
        format!("/api/v1/jobs/patient/runs/{token}:cancel"),
        "/api/v1/jobs/{job}/runs/{token}:cancel".to_owned(),
        json!({}),
    );
    let calls = LOOKS.into_iter().map(look);
    calls
        .chain(actions().into_iter().map(act))
        .chain([cancel])
        .collect()
}

#[tokio::test(start_paused = true)]
async fn answers_have_what_is_described_and_nothing_else() {
    let world = World::new().await;
    // Ticks of the past, for the backfill.
    tokio::time::sleep(std::time::Duration::from_secs(3 * 3_600 + 60)).await;
    world.ran("broken").await;
    let token = world.running("patient").await;
    world
        .control
        .pause("patient")
        .note("n")
        .await
        .expect("paused");
    let description = description();
    let mut seen = 0;
    for (method, path, of, body) in calls(token) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let sent = request(method.clone(), &path)
            .header("sec-fetch-site", "same-origin")
            .body(body);
        let reply = send(&world.console, sent).await;
        assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        let operation = &description["paths"][&of][method.as_str().to_lowercase()];
        let answer = &operation["responses"][reply.status.as_str()];
        assert!(
            answer.is_object(),
            "{method} {path}: {} is not described",
            reply.status
        );
        let mut found = Vec::new();
        differences(
            &answer["content"]["application/json"]["schema"],
            &reply.json(),
            "",
            &mut found,
        );
        assert_eq!(found, [""; 0], "{method} {path}");
        seen += 1;
    }
    assert_eq!(seen, 20);
    let no_method = request(Method::DELETE, "/api/v1/jobs/broken")
        .header("sec-fetch-site", "same-origin")
        .body(String::new());
    let no_method = send(&world.console, no_method);
    let mut found = Vec::new();
    let schema = &description["components"]["schemas"]["Error"];
    differences(schema, &no_method.await.is(405).json(), "", &mut found);
    assert_eq!(found, [""; 0]);
    let served = world.get("/api/v1/openapi.json").await.is(200).json();
    assert_eq!(served, description);
}
