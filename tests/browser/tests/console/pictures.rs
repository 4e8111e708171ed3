//! The pictures of `docs/console`: each page, in both themes and widths. `PICTURES=overwrite` writes them.

use std::fs;
use std::path::PathBuf;

use browser_tests::{Browser, Look, browser_is_there};

use crate::world::World;

const WIDE: u32 = 1280;
/// A small phone.
const NARROW: u32 = 360;

/// More of a page is not in its picture.
const TALL: u32 = 1_500;

/// What sticks out of the window, or is cut off in a cell; hours of the time line that are not above its lanes; second
/// lines of a cell that are indented; words that are broken; fields and buttons of a row that are not in line.
const TOO_WIDE: &str = "
    const cut = [...document.querySelectorAll('td, th, dd, dt, li, p, h1, h2, summary, label, .state')]
      .filter((it) => it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 1 && getComputedStyle(it).display !== 'inline')
      .map((it) => it.tagName + ': ' + it.textContent.slice(0, 60));
    if (document.documentElement.scrollWidth > innerWidth) cut.push('the page');
    for (const hours of document.querySelectorAll('.hours')) {
      const lane = document.querySelector('svg.lane').getBoundingClientRect();
      const own = hours.getBoundingClientRect();
      if (Math.abs(own.left - lane.left) > 1 || Math.abs(own.width - lane.width) > 1) cut.push('hours are not above lanes');
    }
    for (const below of document.querySelectorAll('tbody th > div.small')) {
      const left = (it) => it.getBoundingClientRect().left;
      if (Math.abs(left(below) - left(below.parentElement.firstElementChild)) > 1) cut.push('an indented second line');
    }
    for (const name of document.querySelectorAll('tbody th > a, .tag, .state')) {
      const lines = name.getBoundingClientRect().height / parseFloat(getComputedStyle(name).lineHeight);
      if (!name.textContent.includes(' ') && lines > 1.9) cut.push('broken: ' + name.textContent);
    }
    for (const row of document.querySelectorAll('form.row')) {
      const controls = [...row.querySelectorAll('input:not([type=checkbox], [type=hidden]), select, button')];
      const places = controls.map((it) => it.getBoundingClientRect());
      for (const [at, next] of places.slice(1).entries()) {
        const before = places[at];
        const isNextToIt = before.top < next.bottom && next.top < before.bottom;
        const off = Math.max(Math.abs(before.top - next.top), Math.abs(before.bottom - next.bottom));
        if (isNextToIt && off > 0.5) cut.push(`not in line by ${off} px: ${controls[at + 1].outerHTML.slice(0, 60)}`);
      }
    }
    return cut;";

/// The pages, by the names of their pictures.
async fn pages(world: &World) -> Vec<(&'static str, String)> {
    let lines = world
        .control
        .ledger("sync_inventory", 1_000)
        .await
        .expect("a ledger");
    let retried = lines
        .iter()
        .find(|line| line.retried)
        .expect("one failed and was tried again");
    vec![
        ("jobs", String::new()),
        ("job", "jobs/charge_cards".to_owned()),
        ("run", format!("jobs/sync_inventory/ticks/{}", retried.tick)),
        ("timeline", "timeline".to_owned()),
        ("trail", "trail".to_owned()),
        ("alerts", "alerts".to_owned()),
        ("cluster", "cluster".to_owned()),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/console"))
}

#[tokio::test(start_paused = true)]
async fn pages_fit_into_both_widths_and_have_pictures() {
    if !browser_is_there() {
        return;
    }
    let world = World::showcase().await;
    let browser = Browser::start(Look::default()).await;
    let writes = std::env::var("PICTURES").is_ok_and(|word| word == "overwrite");
    for (name, path) in pages(&world).await {
        for (width, of_width) in [(WIDE, "wide"), (NARROW, "narrow")] {
            for (is_dark, theme) in [(false, "light"), (true, "dark")] {
                browser
                    .look(Look {
                        width,
                        is_dark,
                        ..Look::default()
                    })
                    .await;
                browser.open(&format!("{}{path}", world.url)).await;
                let cut = browser.run(TOO_WIDE).await;
                assert_eq!(cut, serde_json::json!([]), "{name} in {width}");
                let picture = folder().join(format!("{name}-{of_width}-{theme}.png"));
                if writes {
                    fs::create_dir_all(folder()).expect("a folder");
                    fs::write(&picture, browser.picture(width, TALL).await).expect("written");
                }
                assert!(
                    picture.is_file(),
                    "there is no {}: PICTURES=overwrite makes it",
                    picture.display()
                );
            }
        }
    }
    assert_eq!(browser.complaints().await, [""; 0]);
}
