//! What somebody has edited in the store takes away no more than it concerns.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use scheduled_one_console::{Console, Rights};
use scheduled_one_control::Control;
use scheduled_one_protocol::Store;
use scheduled_one_redis::{ConnectOptions, RedisStore};
use scheduled_one_runtime::{Job, Scheduler};
use test_support::RedisServer;

use crate::world::{open, request, send, user};

const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_record_and_an_edited_ledger_are_rows_of_their_own() {
    let redis = RedisServer::start().expect("a server");
    let hour = Duration::from_secs(3_600);
    let names = ["a-well", "b-record", "c-ledger", "d-well"];
    let builder = Scheduler::builder(redis.url()).namespace("edited");
    let jobs = names
        .into_iter()
        .map(|name| Job::every(name, hour, async || {}));
    let scheduler = jobs.fold(builder, |builder, job| builder.job(job)).start();
    let _scheduler = Box::pin(scheduler).await.expect("started");
    let store = RedisStore::unchecked(&redis.url(), "edited", &ConnectOptions::default()).await;
    let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
    let control = Control::of_stores(vec![store]).expect("control");
    let console = Console::new(control.clone()).access(user("ann", Rights::all()));
    let get = async |path: &str| {
        let get = request(Method::GET, path).body(String::new());
        send(&console, get).await
    };
    let listed = async || get("/").await.text.matches("never ran").count() == 4;
    test_support::wait_until_async("the jobs are known", BOUND, listed).await;

    let edit = |arguments: &[&str]| redis.command(arguments).expect("a reply");
    edit(&["HSET", "so:{edited}:job:b-record", "hwm", "rubbish"]);
    edit(&["XADD", "so:{edited}:log:c-ledger", "*", "outcome", "good"]);
    let page = get("/").await.is(200).has("4 of 4 jobs");
    let row = |job: &str| {
        let is_of_job = |row: &&str| row.contains(&format!("href=\"/jobs/{job}\""));
        page.text.split("<tr>").find(is_of_job).expect("a row")
    };
    for job in ["b-record", "c-ledger"] {
        assert!(row(job).contains("cannot be read"), "{}", row(job));
    }
    assert!(row("b-record").contains("hwm"), "{}", row("b-record"));
    for job in ["a-well", "d-well"] {
        assert!(row(job).contains("never ran"), "{}", row(job));
    }
    get("/?problems=1").await.is(200).has("2 of 4 jobs");
    let timeline = get("/timeline").await.is(200);
    timeline
        .has("Its ledger cannot be read")
        .has("/jobs/d-well");

    // Whoever looks at a job that is well is followed by its events, whatever else is on other pages.
    let stream = async |jobs: &str| {
        let stream = request(Method::GET, &format!("/events?jobs={jobs}")).body(String::new());
        open(&console, stream).await.into_body()
    };
    let _other = stream("b-record").await;
    let mut body = stream("a-well").await;
    let mut event = async || {
        let frame = tokio::time::timeout(BOUND, body.frame())
            .await
            .expect("in time");
        let data = frame.expect("it is open").expect("no error").into_data();
        String::from_utf8(data.expect("data").to_vec()).expect("UTF-8")
    };
    assert!(event().await.contains("event: start"));
    control.pause("a-well").await.expect("paused");
    assert!(event().await.contains("event: change"));
}
