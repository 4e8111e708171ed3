//! When a job is due: the schedule, and what is taken from it.

use proc_macro2::Span;
use scheduled_one_schedule::{
    Restriction as Restricts, Schedule, ScheduleError, ScheduleErrorKind, Zone, ZoneData,
};
use syn::{Error, LitStr};

use crate::args::Args;
use crate::errors::Errors;
use crate::job::{Restriction, When};
use crate::keys::{self, Key};
use crate::validate::{duration, located, text, variable};

/// Reads the schedule and what is taken from it. The two are checked together if both are right.
pub(crate) fn read(args: &Args, errors: &mut Errors) -> (Option<When>, Restriction) {
    let zone = args.text(&keys::TZ);
    let found = zone.and_then(|text| errors.keep(located(find_zone(&text.value()), text)));
    // With a wrong zone the rest is checked in UTC, so that its own mistakes are reported, too.
    let zone = found.unwrap_or_else(Zone::utc);
    let when = when(args, &zone, errors);
    let read = restriction(args, zone, errors);
    let value = |key: &Key| args.text(key).map(LitStr::value);
    let except = args.texts(&keys::EXCEPT);
    let written = Restriction {
        zone: value(&keys::TZ),
        start: value(&keys::START),
        end: value(&keys::END),
        within: value(&keys::WITHIN),
        except: except.map(|items| items.iter().map(LitStr::value).collect()),
    };
    let Some((when, schedule)) = when else {
        return (None, written);
    };
    if let Some(read) = read
        && let Err(error) = schedule.restricted(read.without_unknown_calendars())
    {
        errors.push(args.error_at_value(key_of(args, &error), &text(&error)));
    }
    (Some(when), written)
}

/// The restriction, if there is no mistake in it.
fn restriction(args: &Args, zone: Zone, errors: &mut Errors) -> Option<Restricts> {
    // As for `tz`, a build rarely depends on its machine.
    let mut read = Restricts::new(zone).zone_data(ZoneData::compiled_in());
    let mut sound = true;
    let mut add = |read: &mut Restricts, text: &LitStr, method: Method| {
        let added = method(read.clone(), &text.value());
        match errors.keep(located(added, text)) {
            Some(added) => *read = added,
            None => sound = false,
        }
    };
    let keys: [(&Key, Method); 3] = [
        (&keys::START, Restricts::start),
        (&keys::END, Restricts::end),
        (&keys::WITHIN, Restricts::within),
    ];
    for (key, method) in keys {
        if let Some(text) = args.text(key) {
            add(&mut read, text, method);
        }
    }
    for item in args.texts(&keys::EXCEPT).unwrap_or_default() {
        add(&mut read, item, Restricts::except);
    }
    sound.then_some(read)
}

type Method = fn(Restricts, &str) -> Result<Restricts, ScheduleError>;

/// The key whose value leaves no tick.
fn key_of(args: &Args, error: &ScheduleError) -> &'static str {
    match error.kind() {
        ScheduleErrorKind::Within => keys::WITHIN.name,
        ScheduleErrorKind::Except => keys::EXCEPT.name,
        ScheduleErrorKind::Start => keys::START.name,
        ScheduleErrorKind::End => keys::END.name,
        _ if args.key(&keys::CRON).is_some() => keys::CRON.name,
        _ => keys::EVERY.name,
    }
}

/// Whether anything is taken from the schedule.
fn is_restricted(args: &Args) -> bool {
    let keys = [keys::START, keys::END, keys::WITHIN, keys::EXCEPT];
    keys.iter().any(|key| args.key(key).is_some())
}

/// `schedule = manual`.
fn manual(args: &Args, errors: &mut Errors) -> Option<(When, Schedule)> {
    let of_ticks = [
        keys::CRON,
        keys::EVERY,
        keys::TZ,
        keys::CRON_ENV,
        keys::OFFSET,
        keys::START,
        keys::END,
        keys::WITHIN,
        keys::EXCEPT,
    ];
    for key in of_ticks {
        if let Some(ident) = args.key(&key) {
            let message = format!(
                "`{ident}` has no effect on a job that runs only on request\n\
                 help: remove `{ident}`, or `schedule = manual`"
            );
            errors.push(Error::new(ident.span(), message));
        }
    }
    let is_manual = args
        .bare(&keys::SCHEDULE)
        .is_some_and(|tokens| tokens.to_string() == "manual");
    if !is_manual {
        let message = "`schedule` takes `manual`: the job runs only on request\n\
                       help: write `schedule = manual`; for ticks there are `cron = \"0 30 2 * * *\"` and \
                       `every = \"90s\"`";
        errors.push(args.error_at_value(keys::SCHEDULE.name, message));
        return None;
    }
    Some((When::Manual, Schedule::manual()))
}

fn when(args: &Args, zone: &Zone, errors: &mut Errors) -> Option<(When, Schedule)> {
    if args.key(&keys::SCHEDULE).is_some() {
        return manual(args, errors);
    }
    match (args.key(&keys::CRON), args.key(&keys::EVERY)) {
        (Some(_), None) => {
            refuse_with(args, &keys::OFFSET, ("every", "cron"), errors);
            cron(args, zone, errors)
        }
        (None, Some(_)) => {
            if let Some(ident) = args.key(&keys::TZ).filter(|_| !is_restricted(args)) {
                let message = "`tz` has no effect on `every` without `start`, `end`, `within` or `except`\n\
                               help: remove `tz`";
                errors.push(Error::new(ident.span(), message));
            }
            refuse_with(args, &keys::CRON_ENV, ("cron", "every"), errors);
            every(args, errors)
        }
        (Some(_), Some(_)) => {
            // The error is on the later key.
            let message = "a job has either `cron` or `every`, not both\nhelp: remove one of them";
            errors.push(args.error_at_later(["cron", "every"], message));
            None
        }
        (None, None) => {
            // A piece with another mistake may be the schedule.
            if errors.is_empty() {
                let message = "a scheduled job needs to know when\n\
                               help: add `cron = \"0 30 2 * * *\"` (seconds first), `every = \"90s\"` or `schedule = manual`";
                errors.push(Error::new(Span::call_site(), message));
            }
            None
        }
    }
}

/// Refuses a key that goes only with the other kind of schedule.
fn refuse_with(args: &Args, key: &Key, (only, given): (&str, &str), errors: &mut Errors) {
    if let Some(ident) = args.key(key) {
        let message = format!(
            "`{ident}` goes only with `{only}`, and this job has `{given}`\nhelp: remove `{ident}`"
        );
        errors.push(Error::new(ident.span(), message));
    }
}

fn cron(args: &Args, zone: &Zone, errors: &mut Errors) -> Option<(When, Schedule)> {
    let variable = variable(args, &keys::CRON_ENV, errors);
    let text = args.text(&keys::CRON)?;
    let schedule = Schedule::cron(&text.value(), zone.clone());
    let schedule = errors.keep(located(schedule, text))?;
    let expression = text.value();
    Some((
        When::Cron {
            expression,
            variable,
        },
        schedule,
    ))
}

/// The zone of a name. What is compiled in comes first, so that a build rarely depends on its machine; a name that
/// is newer may be known to the system.
fn find_zone(name: &str) -> Result<Zone, ScheduleError> {
    ZoneData::compiled_in()
        .zone(name)
        .or_else(|unknown| ZoneData::current().map_err(|_| unknown)?.zone(name))
}

fn every(args: &Args, errors: &mut Errors) -> Option<(When, Schedule)> {
    let offset = duration(args, &keys::OFFSET).and_then(|offset| errors.keep(offset));
    let period = errors.keep(duration(args, &keys::EVERY)?)?;
    match Schedule::every(period, offset.unwrap_or_default()) {
        Ok(schedule) => Some((When::Every { period, offset }, schedule)),
        Err(error) => {
            let key = match error.kind() {
                ScheduleErrorKind::Offset => &keys::OFFSET,
                _ => &keys::EVERY,
            };
            errors.push(Error::new(args.text(key)?.span(), text(&error)));
            None
        }
    }
}
