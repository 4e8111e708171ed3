//! What a run logged, on its page.

use http::Method;
use scheduled_one_console::{Action, Console, Rights, RunLogs};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::world::{HOSTILE, World, request, send, user};

#[tokio::test(start_paused = true)]
async fn a_run_shows_what_it_logged_to_those_who_may_see_it() {
    let logs = RunLogs::new();
    let subscriber = tracing_subscriber::registry().with(logs.clone());
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    tracing::info!("this is outside of all runs");
    world.ran("talkative").await;
    world.ran("broken").await;
    let line = &world.control.ledger("talkative", 1).await.expect("ledger")[0];
    let path = format!("/jobs/talkative/runs/{}", line.token.expect("it ran"));

    let console = Console::new(world.control.clone()).run_logs(logs.clone());
    let console = console.access(user("ann", Rights::all()));
    let page = send(&console, request(Method::GET, &path).body(String::new()))
        .await
        .is(200);
    let page = page
        .has("the file has 7 lines")
        .has("customer=42")
        .has("&lt;script&gt;alert(1)");
    page.lacks("outside of all runs").lacks(HOSTILE);

    // Another process, which ran nothing of it.
    let elsewhere = Console::new(world.control.clone()).run_logs(RunLogs::new());
    let elsewhere = elsewhere.access(user("ann", Rights::all()));
    let page = send(&elsewhere, request(Method::GET, &path).body(String::new()));
    page.await
        .is(200)
        .has("logged on <b>node-a</b>")
        .lacks("7 lines");

    let looking = Console::new(world.control.clone())
        .run_logs(logs)
        .access(user("eve", Rights::read_only()));
    let page = send(&looking, request(Method::GET, &path).body(String::new()))
        .await
        .is(200);
    page.lacks("the file has 7 lines")
        .has("You may not see what it logged");
    assert!(!Rights::read_only().allows(Action::SeeParameters, "talkative", None));
    // Without logs nothing is said of them.
    world.get(&path).await.is(200).lacks("logged");
}
