//! Servers that fail, hang, redirect, overflow, and are somebody else.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod server;

use std::time::Duration;

use scheduled_one_alerts::{
    Alert, Alertmanager, Channel, DeliveryError, DingTalk, Feishu, Http, PagerDuty, Secret, Slack,
    WeCom, Webhook,
};

use server::{Answer, Server, certificates, closed_port, ok, tls};

const NOW_MS: i64 = 1_767_225_600_000;

async fn to(address: String) -> DeliveryError {
    let http = Http::new().timeout(Duration::from_millis(400));
    let channel = Webhook::new(address).http(http);
    let alert = Alert::test("shop", NOW_MS);
    channel.deliver(&alert, NOW_MS).await.unwrap_err()
}

async fn answered(answer: Answer) -> DeliveryError {
    let server = Server::start([answer]).await;
    to(server.url("/hook")).await
}

#[tokio::test]
async fn a_server_that_hangs_or_hangs_up_is_unreachable() {
    for answer in [Answer::Hang, Answer::Close] {
        let error = answered(answer).await;
        assert!(matches!(error, DeliveryError::Unreachable(_)), "{error:?}");
    }
    let error = to(format!("http://127.0.0.1:{}/", closed_port())).await;
    assert!(error.to_string().contains("refused"), "{error}");
    let error = to("http://no-such-host.invalid/".to_owned()).await;
    assert!(matches!(error, DeliveryError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start([ok()]).await;
    for status in [301, 302, 307, 308] {
        let error = answered(Answer::With(status, "location", other.url("/"))).await;
        assert!(matches!(error, DeliveryError::Refused(_)), "{error:?}");
        assert!(
            error.to_string().contains("redirects are not followed"),
            "{error}"
        );
    }
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn a_status_says_what_to_do() {
    let slow = answered(Answer::With(429, "retry-after", "7".to_owned())).await;
    let asked = matches!(
        slow,
        DeliveryError::Slow {
            retry_after_ms: Some(7_000),
            ..
        }
    );
    assert!(asked, "{slow:?}");
    for status in [429, 500, 502, 503, 504] {
        let error = answered(Answer::Reply(status, String::new())).await;
        assert!(matches!(error, DeliveryError::Slow { .. }), "{error:?}");
    }
    let gone = answered(Answer::Reply(410, String::new())).await;
    assert!(matches!(gone, DeliveryError::Gone { .. }), "{gone:?}");
    for status in [400, 401, 403, 404] {
        let error = answered(Answer::Reply(status, String::new())).await;
        assert!(matches!(error, DeliveryError::Refused(_)), "{error:?}");
    }
}

/// Each channel of HTTP, to this address.
fn each_channel(address: &str) -> Vec<Box<dyn Channel>> {
    let http = || Http::new().timeout(Duration::from_millis(400));
    vec![
        Box::new(Slack::new(address).http(http())),
        Box::new(DingTalk::new(address).secret("key").http(http())),
        Box::new(WeCom::new(address).http(http())),
        Box::new(Feishu::new(address).secret("key").http(http())),
        Box::new(Webhook::new(address).http(http())),
        Box::new(PagerDuty::new("key").address(address).http(http())),
        Box::new(Alertmanager::new(address).http(http())),
    ]
}

#[tokio::test]
async fn each_channel_takes_the_same_replies_for_the_same() {
    use DeliveryError::{Gone, Refused, Slow, Unreachable};
    type Means = fn(&DeliveryError) -> bool;
    let other = Server::start([ok()]).await;
    let slow: Means = |error| {
        matches!(
            error,
            Slow {
                retry_after_ms: Some(7_000),
                ..
            }
        )
    };
    let replies: [(Answer, Means); 7] = [
        (Answer::With(302, "location", other.url("/")), |error| {
            matches!(error, Refused(_))
        }),
        (Answer::With(307, "location", other.url("/")), |error| {
            matches!(error, Refused(_))
        }),
        (Answer::With(429, "retry-after", "7".to_owned()), slow),
        (Answer::With(503, "retry-after", "7".to_owned()), slow),
        (Answer::Reply(410, String::new()), |error| {
            matches!(error, Gone { .. })
        }),
        (Answer::Hang, |error| matches!(error, Unreachable(_))),
        (Answer::Close, |error| matches!(error, Unreachable(_))),
    ];
    let alert = Alert::test("shop", NOW_MS);
    for (answer, means) in replies {
        let server = Server::start([answer.clone()]).await;
        let channels = each_channel(&server.url("/hook"));
        for channel in &channels {
            let name = channel.name();
            let error = channel.deliver(&alert, NOW_MS).await.expect_err(name);
            assert!(means(&error), "{name} after {answer:?}: {error:?}");
        }
        let attempts = server.received().len();
        assert_eq!(attempts, channels.len(), "one attempt each: {answer:?}");
    }
    assert!(other.received().is_empty(), "redirects are not followed");
}

#[tokio::test]
async fn a_reply_without_end_is_cut() {
    let error = answered(Answer::Endless(500)).await;
    assert!(matches!(error, DeliveryError::Slow { .. }), "{error:?}");
    assert!(error.to_string().len() < 400, "{error}");
    let server = Server::start([Answer::Endless(200)]).await;
    let channel = Webhook::new(server.url("/"));
    let alert = Alert::test("shop", NOW_MS);
    channel.deliver(&alert, NOW_MS).await.unwrap();
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = Server::with([ok()], Some(tls(folder.path()))).await;
    let address = format!("https://localhost:{}/hook", server.port);
    let alert = Alert::test("shop", NOW_MS);
    let error = Slack::new(&*address)
        .deliver(&alert, NOW_MS)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no TLS"), "{error}");
    assert!(server.received().is_empty());
    let http = Http::new().ca_file(folder.path().join("ca.pem"));
    let channel = Slack::new(&*address).http(http.clone());
    channel.deliver(&alert, NOW_MS).await.unwrap();
    assert_eq!(server.received().len(), 1);
    // The certificate is for another name.
    let address = format!("https://127.0.0.1:{}/hook", server.port);
    let error = Slack::new(address)
        .http(http)
        .deliver(&alert, NOW_MS)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no TLS"), "{error}");
    let http = Http::new().ca_file(folder.path().join("missing.pem"));
    let error = Slack::new("https://localhost:1").http(http);
    let error = error.deliver(&alert, NOW_MS).await.unwrap_err().to_string();
    assert!(
        error.contains("cannot connect") || error.contains("missing.pem"),
        "{error}"
    );
}

/// A receiver that repeats everything that it received.
#[tokio::test]
async fn no_error_and_no_debug_shows_a_secret() {
    const TOKEN: &str = "TOPSECRET0123456789";
    let echo = format!("bad token {TOKEN} in /services/{TOKEN}?access_token={TOKEN}&sign=x");
    let server = Server::start([Answer::Reply(400, echo)]).await;
    let address = server.url(&format!("/services/{TOKEN}?access_token={TOKEN}"));
    let channels: Vec<Box<dyn Channel>> = vec![
        Box::new(Slack::new(&*address)),
        Box::new(DingTalk::new(&*address).secret(TOKEN)),
        Box::new(WeCom::new(&*address)),
        Box::new(Feishu::new(&*address).secret(TOKEN)),
        Box::new(Webhook::new(&*address).secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        Box::new(PagerDuty::new(TOKEN).address(server.url("/"))),
    ];
    let alert = Alert::test("shop", NOW_MS);
    for channel in &channels {
        let error = channel.deliver(&alert, NOW_MS).await.unwrap_err();
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            format!("{channel:?}"),
        ] {
            assert!(
                !shown.contains(TOKEN) && !shown.contains("MfKQ9r8"),
                "{shown}"
            );
        }
    }
    // The receiver is away.
    let address = format!("http://127.0.0.1:{}/{TOKEN}", closed_port());
    let error = Slack::new(address)
        .deliver(&alert, NOW_MS)
        .await
        .unwrap_err();
    assert!(!error.to_string().contains(TOKEN), "{error}");
}

#[tokio::test]
async fn a_secret_says_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slack");
    let channel = Slack::new(Secret::file(&path));
    let error = channel.check().await.unwrap_err().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    std::fs::write(&path, " \n").unwrap();
    let error = channel.check().await.unwrap_err().to_string();
    assert!(error.contains("is empty"), "{error}");
    std::fs::write(&path, "ftp://hunter2.example/\n").unwrap();
    let error = channel.check().await.unwrap_err().to_string();
    assert!(
        error.contains("https://host/path") && !error.contains("hunter2"),
        "{error}"
    );
    // A file that is changed is read anew.
    std::fs::write(&path, "https://hooks.example/x\n").unwrap();
    channel.check().await.unwrap();
    let channel = Slack::new(Secret::env("SCHEDULED_ONE_TEST_UNSET"));
    let error = channel.check().await.unwrap_err().to_string();
    assert!(
        error.contains("set the variable SCHEDULED_ONE_TEST_UNSET"),
        "{error}"
    );
    let channel = Slack::new("https://user:hunter2@hooks.example/");
    let error = channel.check().await.unwrap_err().to_string();
    assert!(
        error.contains("login") && !error.contains("hunter2"),
        "{error}"
    );
}
