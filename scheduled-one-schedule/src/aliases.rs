//! Words for whole expressions.

/// The aliases, with the fields they stand for.
pub(crate) const ALIASES: [(&str, &str); 7] = [
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
    ("@monthly", "0 0 0 1 * *"),
    ("@weekly", "0 0 0 * * SUN"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@hourly", "0 0 * * * *"),
];

/// Aliases and phrases of other schedulers, without `@` and with `_` between words; and what to write.
pub(crate) const OTHER_ALIASES: [(&str, &str); 16] = [
    ("every_second", "* * * * * *"),
    ("secondly", "* * * * * *"),
    ("every_minute", "0 * * * * *"),
    ("minutely", "0 * * * * *"),
    ("every_hour", "@hourly"),
    ("every_day", "@daily"),
    ("every_week", "@weekly"),
    ("every_month", "@monthly"),
    ("every_year", "@yearly"),
    ("quarterly", "0 0 0 1 1,4,7,10 *"),
    ("every_quarter", "0 0 0 1 1,4,7,10 *"),
    ("noon", "0 0 12 * * *"),
    ("weekdays", "0 0 0 * * MON-FRI"),
    ("every_weekday", "0 0 0 * * MON-FRI"),
    ("weekends", "0 0 0 * * SAT,SUN"),
    ("annual", "@yearly"),
];

/// Aliases for the start of a program or machine, which no schedule has.
pub(crate) const AT_START: [&str; 5] = ["reboot", "start", "startup", "boot", "once"];

/// Texts that switch a job off elsewhere: Spring's `-`, and words for it.
pub(crate) const OFF: [&str; 12] = [
    "", "-", "off", "none", "never", "false", "no", "null", "disabled", "disable", "@never", "@off",
];
