//! Another schedule in place of that in the code: what it would come to is shown first.

use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use scheduled_one_control::{Action, ChangeDirective};

use super::{back, form};
use crate::app::{App, Shared, Shown, permit};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::page::{self, ScheduleChange, ScheduleWish, Section};
use crate::plan::zone_of;

type Sent = Result<Form<ScheduleWish>, FormRejection>;

/// `POST /jobs/{job}/reschedule`: shows the ticks, and changes the schedule once they were seen.
pub(crate) async fn reschedule(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Sent,
) -> Response {
    answer(&app, &visitor, &job, ScheduleChange::Reschedule, sent).await
}

/// `POST /jobs/{job}/reset`: shows the ticks, and gives the schedule in the code back once they were seen.
pub(crate) async fn reset(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Sent,
) -> Response {
    answer(&app, &visitor, &job, ScheduleChange::Reset, sent).await
}

async fn answer(
    app: &App,
    visitor: &Visitor,
    job: &str,
    change: ScheduleChange,
    sent: Sent,
) -> Response {
    let done = async {
        permit(visitor, Action::Reschedule, job)?;
        let wish = form(sent)?;
        let wanted = wanted(visitor, job, change, &wish);
        if wish.go.is_empty() {
            return Ok(Err(preview(visitor, job, change, wish, wanted).await?));
        }
        Ok(Ok(match (change, wanted.await?.already) {
            (_, true) => "scheduled-already",
            (ScheduleChange::Reschedule, false) => "rescheduled",
            (ScheduleChange::Reset, false) => "reset",
        }))
    };
    match done.await {
        Ok(Ok(done)) => back(app, visitor, job, Ok(done)),
        Ok(Err(shown)) => app.answer(visitor, Ok(shown)),
        Err(failure) => back(app, visitor, job, Err(failure)),
    }
}

fn wanted(
    visitor: &Visitor,
    job: &str,
    change: ScheduleChange,
    wish: &ScheduleWish,
) -> ChangeDirective {
    let wanted = match change {
        ScheduleChange::Reschedule => visitor.control.reschedule(job, wish.schedule.trim()),
        ScheduleChange::Reset => visitor.control.reset(job),
    };
    let wanted = match wish.tz.trim() {
        "" => wanted,
        tz => wanted.tz(tz),
    };
    let wanted = wanted.note(&wish.note).by(&visitor.user.name);
    match wish.version {
        Some(version) => wanted.expect(version),
        None => wanted,
    }
}

/// The page with the next ticks; its form has the version that they were computed with.
async fn preview(
    visitor: &Visitor,
    job: &str,
    change: ScheduleChange,
    wish: ScheduleWish,
    wanted: ChangeDirective,
) -> Result<Shown, Failure> {
    let preview = wanted.preview().await?;
    let described = visitor.control.describe(job).await?;
    let wish = ScheduleWish {
        version: Some(preview.version),
        ..wish
    };
    let title = change.title();
    Ok(Shown {
        section: Section::Jobs,
        title: format!("{title}: {job}"),
        follows: None,
        content: page::schedule_preview(
            visitor,
            job,
            change,
            &wish,
            &preview,
            &zone_of(described.cataloged.as_ref()),
        ),
    })
}
