//! Where requests come from, and what they bring.

use http::Method;
use scheduled_one_console::access::{PeerAddress, Unprotected};
use scheduled_one_console::{Console, Rights};

use crate::world::{World, request, send, user};

#[tokio::test(start_paused = true)]
async fn a_page_of_another_site_changes_nothing() {
    let world = World::new().await;
    let from = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://console.example.evil.example"),
        ("authorization", "Basic YTpi"),
        ("x-nothing", ""),
    ];
    for (name, value) in from {
        for path in ["/jobs/nightly/pause", "/api/v1/jobs/nightly:pause"] {
            let request = request(Method::POST, path).header(name, value);
            send(&world.console, request.body(String::new()))
                .await
                .is(403);
        }
    }
    assert_eq!(
        world
            .control
            .describe("nightly")
            .await
            .expect("described")
            .version,
        0
    );
    let own =
        request(Method::POST, "/jobs/nightly/pause").header("origin", "http://console.example");
    let own = own.header("content-type", "application/x-www-form-urlencoded");
    send(&world.console, own.body("note=n".to_owned()))
        .await
        .is(303);
}

#[tokio::test(start_paused = true)]
async fn nothing_changes_by_get() {
    let world = World::new().await;
    for path in [
        "/jobs/nightly/pause",
        "/jobs/nightly/run",
        "/jobs/nightly/runs/1/cancel",
    ] {
        world.get(path).await.is(405);
    }
    world
        .get("/jobs/nightly?done=%3Cscript%3E")
        .await
        .is(200)
        .lacks("<script>");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_a_megabyte_is_refused() {
    let world = World::new().await;
    let form = format!("params=%22{}%22", "x".repeat(1_000_000));
    world.post("/jobs/echo/run", &form).await.is(413);
    let reply = world.post("/api/v1/jobs/echo:run", &form).await.is(413);
    assert_eq!(reply.json()["error"]["code"], "body");
    // Below the limit of bodies, the limit of parameters says what is wrong.
    let form = format!("params=%22{}%22", "x".repeat(100_000));
    world.post("/jobs/echo/run", &form).await.is(400);
}

#[tokio::test(start_paused = true)]
async fn a_console_answers_under_its_names_alone() {
    let world = World::new().await;
    let console = Console::new(world.control.clone()).host("console.example");
    let console = console.access(user("ann", Rights::all()));
    for (host, status) in [
        ("console.example", 200),
        ("CONSOLE.example:8080", 200),
        ("evil.example", 421),
        ("console.example.evil.example", 421),
        ("", 421),
    ] {
        let request = http::Request::builder().uri("/").header("host", host);
        send(&console, request.body(String::new())).await.is(status);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_password_only_the_own_machine_enters() {
    let world = World::new().await;
    let console = world.seen_by(Unprotected::on_loopback());
    let from = async |peer: Option<&str>, host: &str, header: (&'static str, &'static str)| {
        let mut request = http::Request::builder().uri("/").header("host", host);
        request = request.header(header.0, header.1);
        if let Some(peer) = peer {
            request = request.extension(PeerAddress(peer.parse().expect("an address")));
        }
        send(&console, request.body(String::new()))
            .await
            .status
            .as_u16()
    };
    let plain = ("accept", "*/*");
    assert_eq!(
        from(Some("127.0.0.1:5000"), "localhost:8080", plain).await,
        200
    );
    assert_eq!(from(Some("[::1]:5000"), "[::1]:8080", plain).await, 200);
    assert_eq!(from(None, "localhost", plain).await, 403);
    assert_eq!(from(Some("10.0.0.5:5000"), "localhost", plain).await, 403);
    assert_eq!(
        from(Some("127.0.0.1:5000"), "evil.example", plain).await,
        403
    );
    assert_eq!(
        from(
            Some("127.0.0.1:5000"),
            "localhost",
            ("x-forwarded-for", "1.2.3.4")
        )
        .await,
        403
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_cannot_add_headers() {
    let world = World::new().await;
    let reply = world
        .post("/jobs/nightly%0d%0aset-cookie:a=b/pause", "")
        .await
        .is(404);
    assert_eq!(reply.header("set-cookie"), "");
    world.get("/jobs/%ff").await.is(400);
    world.get("/assets/..%2f..%2fetc%2fpasswd").await.is(404);
}
