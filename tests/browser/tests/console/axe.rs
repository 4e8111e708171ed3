//! What axe finds on the pages: nothing serious.

use browser_tests::{Browser, Look, axe, browser_is_there};
use serde_json::Value;

use crate::world::World;

/// What of it somebody cannot use at all, or hardly.
fn serious(results: &Value) -> Vec<String> {
    let violations = results["violations"].as_array().expect("results");
    let is_serious = |it: &&Value| matches!(it["impact"].as_str(), Some("serious" | "critical"));
    let words = |it: &Value| format!("{}: {} ({})", it["id"], it["help"], it["nodes"][0]["html"]);
    violations.iter().filter(is_serious).map(words).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_serious_is_found() {
    let Some(axe) = browser_is_there().then(axe).flatten() else {
        return;
    };
    let world = World::showcase().await;
    let browser = Browser::start(Look::default()).await;
    let mut passed = 0;
    let pages = [
        "",
        "?q=nosuch",
        "jobs/charge_cards",
        "jobs/expire_carts",
        "jobs/nosuch",
        "timeline",
        "trail",
        "alerts",
        "cluster",
    ];
    for path in pages {
        for (width, is_dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
            browser
                .look(Look {
                    width,
                    is_dark,
                    ..Look::default()
                })
                .await;
            browser.open(&format!("{}{path}", world.url)).await;
            // What is folded is looked at as well.
            browser
                .run("document.querySelectorAll('details').forEach((it) => { it.open = true })")
                .await;
            browser.run(&axe).await;
            let results = browser.wait_for_script("axe.run(document)").await;
            assert_eq!(serious(&results), [""; 0], "{path} {width} dark: {is_dark}");
            passed += results["passes"].as_array().map_or(0, Vec::len);
        }
    }
    assert!(passed > 500, "axe has looked at {passed} things only");
}
