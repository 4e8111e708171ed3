//! `next`: the ticks to come, or those of a range, by the schedule alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::Serialize;

use crate::args::Next;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::Table;
use crate::text;

#[derive(Serialize)]
struct View {
    tick: String,
    #[serde(skip)]
    ms: i64,
}

/// Milliseconds since the Unix epoch.
pub(super) fn ms(instant: SystemTime) -> i64 {
    let since_epoch = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// An instant of an argument; one before 1970 counts as the beginning of that year, from which on schedules have ticks.
pub(super) fn system_time(instant: Timestamp) -> SystemTime {
    let ms = u64::try_from(instant.as_millisecond()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(ms)
}

pub(crate) async fn run(session: &Session, args: &Next) -> Result<Exit, Failure> {
    let control = &session.control;
    let ticks = match (args.from, args.to) {
        (Some(from), Some(to)) => {
            let range = system_time(from)..system_time(to);
            session.ask(control.matching(&args.name, range)).await?
        }
        _ => session.ask(control.next(&args.name, args.ticks)).await?,
    };
    let views = ticks.into_iter().map(|tick| View {
        tick: text::instant(ms(tick)),
        ms: ms(tick),
    });
    let views: Vec<View> = views.collect();
    let table = || {
        let mut table = Table::new(&["TICK", "WHEN"]);
        for view in &views {
            table.row([
                view.tick.as_str().into(),
                session.output.when(view.ms).into(),
            ]);
        }
        table
    };
    session
        .output
        .list("ticks", &views, |view| view.tick.clone(), table)?;
    Ok(Exit::Done)
}
