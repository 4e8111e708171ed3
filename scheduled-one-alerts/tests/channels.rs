//! What each channel sends, against a server that the test starts.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod server;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use scheduled_one_alerts::{
    Alert, AlertState, Alertmanager, Alerts, Channel, DeliveryError, DingTalk, Facts, Feishu,
    Input, JobRules, PagerDuty, Rules, Slack, Status, WeCom, Webhook,
};
use scheduled_one_protocol::{LedgerRecord, Outcome, TickMs, UnitName};

use server::{Answer, Server, ok};

const NOW_MS: i64 = 1_767_225_600_000;

/// A text that wants to be more than text.
const NASTY: &str = "<!channel> @all [link](http://evil.example) <b>&amp;</b>\u{7}\nsecond line";

fn failed(job: &str, at_ms: i64, outcome: Outcome) -> LedgerRecord {
    LedgerRecord {
        unit: UnitName::new(job, 0),
        tick: TickMs(at_ms),
        last_tick: TickMs(at_ms),
        count: 1,
        outcome,
        retried: false,
        reason: String::new(),
        node: "node-a".to_owned(),
        identity: None,
        cause: None,
        actor: String::new(),
        request: String::new(),
        token: None,
        attempt: Some(2),
        fired_at_ms: Some(at_ms),
        ended_at_ms: at_ms,
        error: NASTY.to_owned(),
    }
}

/// The messages about so many jobs that failed: firing, and resolved.
fn alerts_about(jobs: usize) -> [Alert; 2] {
    let rules = Rules::new("shop")
        .all_jobs(JobRules::new().runbook("https://wiki.example/jobs"))
        .console("https://shop.example/console/");
    let alerts = Alerts::new(rules);
    let mut state = AlertState::new(NOW_MS - 1);
    let mut step = |outcome, from_ms: i64| {
        let names = (0..jobs).map(|n| format!("job{n:05}"));
        let lines = names.map(|job| failed(&job, from_ms, outcome)).collect();
        let facts = Facts {
            at_ms: from_ms + 60_000,
            ..Facts::default()
        };
        alerts.evaluate(&mut state, Input { lines, facts })
    };
    let firing = step(Outcome::Failed, NOW_MS);
    let resolved = step(Outcome::Ok, NOW_MS + 3_600_000);
    [firing[0].clone(), resolved[0].clone()]
}

fn firing() -> Alert {
    let [firing, _] = alerts_about(1);
    firing
}

async fn deliver(channel: &dyn Channel, alert: &Alert) -> Result<(), DeliveryError> {
    channel.check().await.unwrap();
    channel.deliver(alert, NOW_MS).await
}

#[tokio::test]
async fn a_webhook_is_signed_with_each_secret() {
    let server = Server::start([ok()]).await;
    let secrets = [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ];
    let channel = Webhook::new(server.url("/hooks"))
        .secret(secrets[0])
        .secret(secrets[1]);
    let alert = firing();
    deliver(&channel, &alert).await.unwrap();
    let request = server.only();
    assert_eq!(request.line, "POST /hooks");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("webhook-id"), Some(&*alert.id));
    assert_eq!(request.header("webhook-timestamp"), Some("1767225600"));
    let signatures = request.header("webhook-signature").unwrap();
    let signed = [alert.id.as_bytes(), b".1767225600.", &request.body].concat();
    for (secret, signature) in secrets.iter().zip(signatures.split(' ')) {
        let key = BASE64_STANDARD.decode(&secret[6..]).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let tag = BASE64_STANDARD
            .decode(signature.strip_prefix("v1,").unwrap())
            .unwrap();
        hmac::verify(&key, &signed, &tag).unwrap();
    }
    assert_eq!(signatures.split(' ').count(), 2);
    let body = request.json();
    assert_eq!(body["type"], "scheduled_one.alert.firing");
    assert_eq!(body["data"]["rule"], "failed");
    assert_eq!(body["data"]["subjects"][0]["name"], "job00000");
    assert_eq!(
        body["data"]["subjects"][0]["link"],
        "https://shop.example/console/jobs/job00000"
    );
}

#[tokio::test]
async fn a_webhook_about_many_jobs_stays_below_its_limit() {
    let server = Server::start([ok()]).await;
    let channel = Webhook::new(server.url("/"));
    let [firing, resolved] = alerts_about(3_000);
    for alert in [&firing, &resolved] {
        deliver(&channel, alert).await.unwrap();
    }
    for request in server.received() {
        assert!(request.body.len() <= 20_000, "{}", request.body.len());
        let data = &request.json()["data"];
        assert_eq!(data["count"], 3_000);
        let listed = data["subjects"].as_array().unwrap().len() as u64;
        assert_eq!(data["more"], 3_000 - listed);
    }
}

#[tokio::test]
async fn a_secret_of_a_wrong_form_is_refused_at_the_check() {
    let channel = Webhook::new("https://ops.example").secret("hunter2hunter2");
    let error = channel.check().await.unwrap_err().to_string();
    assert!(
        error.contains("whsec_$(openssl rand -base64 32)"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn slack_shows_text_and_calls_nobody() {
    let server = Server::start([ok()]).await;
    let channel = Slack::new(server.url("/services/T0/B0/TOKEN"));
    deliver(&channel, &firing()).await.unwrap();
    let body = server.only().json();
    assert_eq!(body["text"], "[firing] job00000: failed");
    let text = body["attachments"][0]["text"].as_str().unwrap();
    assert!(text.contains("&lt;!channel&gt; @\u{200b}all"), "{text}");
    assert!(
        !text.contains("second line") && !text.contains('\u{7}'),
        "{text}"
    );
    assert!(
        text.contains("runbook: https://wiki.example/jobs"),
        "{text}"
    );
}

#[tokio::test]
async fn dingtalk_signs_and_judges_by_its_code() {
    let said = |code: i64| Answer::Reply(200, format!(r#"{{"errcode":{code},"errmsg":"m"}}"#));
    let server = Server::start([said(0), said(130_101), said(310_000)]).await;
    let channel = DingTalk::new(server.url("/robot/send?access_token=TOKENTOKEN"))
        .secret("SECabc123")
        .at("13800000000");
    deliver(&channel, &firing()).await.unwrap();
    let request = server.only();
    // The signature of the unit test that was compared with openssl.
    let sign = "pvwH8bM5eQ0kH1kr%2BRPVoBxU5B9l7NCsCB86NIxp2WY%3D";
    let line = format!("POST /robot/send?access_token=TOKENTOKEN&timestamp={NOW_MS}&sign={sign}");
    assert_eq!(request.line, line);
    let body = request.json();
    assert_eq!(body["msgtype"], "markdown");
    assert_eq!(body["at"]["atMobiles"][0], "13800000000");
    let text = body["markdown"]["text"].as_str().unwrap();
    assert!(
        text.contains("@13800000000") && !text.contains("[link]"),
        "{text}"
    );
    let slow = deliver(&channel, &firing()).await.unwrap_err();
    assert!(matches!(slow, DeliveryError::Slow { .. }), "{slow:?}");
    let refused = deliver(&channel, &firing()).await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Refused(_)), "{refused:?}");
    assert!(!refused.to_string().contains("TOKENTOKEN"), "{refused}");
}

#[tokio::test]
async fn wecom_gets_a_text_that_it_takes() {
    let server = Server::start([Answer::Reply(200, r#"{"errcode":0}"#.to_owned())]).await;
    let channel = WeCom::new(server.url("/cgi-bin/webhook/send?key=K"));
    let [many, _] = alerts_about(500);
    deliver(&channel, &many).await.unwrap();
    let body = server.only().json();
    let text = body["markdown"]["content"].as_str().unwrap();
    assert!(text.len() <= 4096 && text.starts_with("#### "), "{text}");
    assert!(text.contains("500 jobs: failed"), "{text}");
}

#[tokio::test]
async fn feishu_signs_in_the_body() {
    let said = |body: &str| Answer::Reply(200, body.to_owned());
    let answers = [
        said(r#"{"code":0}"#),
        said(r#"{"StatusCode":0}"#),
        said(r#"{"code":19021}"#),
    ];
    let server = Server::start(answers).await;
    let channel = Feishu::new(server.url("/open-apis/bot/v2/hook/HOOKHOOK")).secret("abc123");
    deliver(&channel, &firing()).await.unwrap();
    let body = server.only().json();
    assert_eq!(body["timestamp"], "1767225600");
    assert_eq!(body["sign"], "lqwZLSD1JkZs0RdmobxU1E2KVD2tK/IFUN6m15s+8Bo=");
    let post = &body["content"]["post"]["zh_cn"];
    assert_eq!(post["title"], "[firing] job00000: failed");
    deliver(&channel, &firing()).await.unwrap();
    let refused = deliver(&channel, &firing()).await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn pagerduty_resolves_what_it_triggered() {
    let server = Server::start([Answer::Reply(202, String::new())]).await;
    let channel = PagerDuty::new("ROUTINGKEY").address(server.url("/v2/enqueue"));
    for alert in &alerts_about(2) {
        deliver(&channel, alert).await.unwrap();
    }
    let bodies: Vec<_> = server.received().iter().map(|it| it.json()).collect();
    let actions: Vec<_> = bodies.iter().map(|body| &body["event_action"]).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(bodies[0]["dedup_key"], bodies[1]["dedup_key"]);
    assert_eq!(bodies[0]["routing_key"], "ROUTINGKEY");
    assert_eq!(bodies[0]["payload"]["severity"], "error");
    assert_eq!(bodies[0]["payload"]["summary"], "[firing] 2 jobs: failed");
}

#[tokio::test]
async fn alertmanager_gets_an_alert_for_each_job() {
    let server = Server::start([ok()]).await;
    let channel = Alertmanager::new(server.url("/am/")).bearer("BEARERTOKEN");
    let [firing, resolved] = alerts_about(2);
    assert_eq!(resolved.status, Status::Resolved);
    for alert in [&firing, &resolved] {
        deliver(&channel, alert).await.unwrap();
    }
    let requests = server.received();
    assert_eq!(requests[0].line, "POST /am/api/v2/alerts");
    assert_eq!(
        requests[0].header("authorization"),
        Some("Bearer BEARERTOKEN")
    );
    let (began, over) = (requests[0].json(), requests[1].json());
    assert_eq!(began[1]["labels"]["alertname"], "ScheduledOneFailed");
    assert_eq!(began[1]["labels"]["job"], "job00001");
    assert_eq!(began[1]["labels"], over[1]["labels"]);
    assert_eq!(began[1]["startsAt"], "2026-01-01T00:00:00Z");
    // The next message is due in 4 h; Alertmanager waits a little longer.
    assert_eq!(began[1]["endsAt"], "2026-01-01T04:15:30Z");
    assert_eq!(over[1]["endsAt"], "2026-01-01T01:00:00Z");
    assert_eq!(
        began[1]["annotations"]["runbook_url"],
        "https://wiki.example/jobs"
    );
}

#[tokio::test]
async fn alertmanager_is_informed_of_each_job_that_recovers() {
    let server = Server::start([ok()]).await;
    let rules = Rules::new("shop");
    let alerts = Alerts::new(rules).notify(Alertmanager::new(server.url("/")));
    let mut state = AlertState::new(NOW_MS);
    let (bad, good) = (Outcome::Failed, Outcome::Ok);
    let minutes: [&[(&str, Outcome)]; 6] = [
        &[("a", bad), ("b", bad)],
        &[],
        &[("a", good)],
        // The new failure of `a` is another incident, and `b` ends the first one.
        &[("a", bad)],
        &[("b", good)],
        &[],
    ];
    for (minute, lines) in minutes.into_iter().enumerate() {
        let at_ms = NOW_MS + minute as i64 * 60_000;
        let lines = lines
            .iter()
            .map(|(job, outcome)| failed(job, at_ms, *outcome));
        let lines = lines.collect();
        let facts = Facts {
            at_ms: at_ms + 1_000,
            ..Facts::default()
        };
        alerts.evaluate(&mut state, Input { lines, facts });
        alerts.deliver_once(&mut state, at_ms + 1_000).await;
    }
    let bodies: Vec<_> = server.received().iter().map(|it| it.json()).collect();
    let said = bodies.iter().map(|body| {
        let alerts = body.as_array().unwrap().iter();
        let alerts = alerts.map(|it| {
            let is_over = it["endsAt"].as_str() < Some("2026-01-01T00:30:00Z");
            (it["labels"]["job"].as_str().unwrap().to_owned(), is_over)
        });
        alerts.collect::<Vec<_>>()
    });
    let said: Vec<_> = said.collect();
    let (a, b) = ("a".to_owned(), "b".to_owned());
    let expected = [
        vec![(a.clone(), false), (b.clone(), false)],
        vec![(a.clone(), true)],
        vec![(a, false)],
        vec![(b, true)],
    ];
    assert_eq!(said, expected);
}
