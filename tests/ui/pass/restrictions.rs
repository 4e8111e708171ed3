use scheduled_one_runtime::scheduled_one;

#[scheduled_one(
    cron = "0 */10 * * * *",
    tz = "Europe/Berlin",
    start = "2026-03-01T00:00",
    end = "2030-01-01T00:00+01:00",
    within = "08:00-12:00, 13:00-18:00",
    except = ["SAT", "SUN", "2026-12-24..2027-01-01", "2026-05-01", "12-25", "de-holidays"],
)]
async fn in_office_hours() {}

#[scheduled_one(
    every = "90s",
    tz = "Asia/Tokyo",
    within = "22:00-06:00",
    except("MON-WED")
)]
async fn at_night() {}
