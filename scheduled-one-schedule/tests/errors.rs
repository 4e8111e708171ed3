//! Each error names what is wrong and the way out; and what it offers to paste, parses.

#[path = "common/ways_out.rs"]
mod ways_out;

use std::time::Duration;

use ScheduleErrorKind::{Expression, Field, FieldCount, Never, NumericWeekday};
use scheduled_one_schedule::{MAX_PERIOD, Schedule, ScheduleErrorKind, Zone, parse_duration};

/// Expression, kind, and what message and help must contain.
#[rustfmt::skip]
const CRON: &[(&str, ScheduleErrorKind, &[&str], &[&str])] = &[
    ("", Expression, &["empty"], &["`0 30 9 * * MON-FRI`"]),
    ("  ", Expression, &["empty"], &["`0 30 9 * * MON-FRI`", "`enabled = false`"]),
    ("@reboot", Expression, &["`@reboot`"], &["call the function in `main`"]),
    // Five fields: the line to paste.
    ("30 9 * * *", FieldCount, &["`30 9 * * *`", "five fields", "seconds"], &["`0 30 9 * * *`"]),
    ("30 9 * * 1-5", FieldCount, &["five"], &["`0 30 9 * * MON-FRI`"]),
    ("30 9 * * 0,6", FieldCount, &["five"], &["`0 30 9 * * SUN,SAT`"]),
    ("30 9 * * 7", FieldCount, &["five"], &["`0 30 9 * * SUN`"]),
    ("30 9 * * 5-7", FieldCount, &["five"], &["`0 30 9 * * FRI-SUN`"]),
    ("30 9 * * 0-7", FieldCount, &["five"], &["`0 30 9 * * *`"]),
    ("30 9 * * */2", FieldCount, &["five"], &["`0 30 9 * * SUN,TUE,THU,SAT`"]),
    ("30 9 * * MON", FieldCount, &["five"], &["`0 30 9 * * MON`"]),
    ("30 9 1 * 1", FieldCount, &["five"], &["`0 30 9 1 * MON`", "both must"]),
    ("0 0 * * L5", FieldCount, &["five"], &["`0 0 0 * * FRIL`"]),
    ("0 0 * * 5-1/2", FieldCount, &["five"], &["`0 0 0 * * FRI-MON/2`"]),
    ("0 0 * * 2W", FieldCount, &["five"], &["`0` in front", "`2W` is a day of the month", "`0 0 0 2W * ?`"]),
    ("0 0 31 2 *", FieldCount, &["five"], &["`0` in front", "never comes"]),
    ("0 0 * Sept *", FieldCount, &["five"], &["`0` in front", "month field `Sept`", "write `SEP`"]),
    // Other counts: the fields there are.
    ("*", FieldCount, &["`*`", "1 field"], &["second, minute, hour, day of month, month, day of week", "year"]),
    ("0 9 * *", FieldCount, &["4 fields"], &["six or seven"]),
    ("0 0 9 * * MON 2027 7", FieldCount, &["8 fields"], &["six or seven"]),
    ("0 0 9 * * MON, TUE, WED", FieldCount, &["8 fields"], &["no spaces inside a field"]),
    // Each field: name, text, range.
    ("60 0 9 * * *", Field, &["second", "`60`", "out of range"], &["0-59"]),
    ("0 60 9 * * *", Field, &["minute", "`60`"], &["0-59"]),
    ("0 0 24 * * *", Field, &["hour", "`24`"], &["0-23"]),
    ("0 0 0 0 * *", Field, &["day of month", "`0`"], &["1-31", "`LW`"]),
    ("0 0 0 1,32 * *", Field, &["day of month", "`1,32`", "`32`"], &["1-31"]),
    ("0 0 0 1 13 *", Field, &["month", "`13`"], &["1-12 or JAN-DEC"]),
    ("0 0 0 1 JUNK *", Field, &["month", "`JUNK`"], &["JAN-DEC"]),
    ("0 0 0 * * FUN", Field, &["day of week", "`FUN`"], &["SUN-SAT"]),
    ("0 0 0 * * * 1969", Field, &["year", "`1969`"], &["1970-2099"]),
    ("0 0 0 * * * 2100", Field, &["year", "`2100`"], &["1970-2099"]),
    ("0 0 99999999999999999999 * * *", Field, &["hour", "out of range"], &["0-23"]),
    // Grammar.
    ("0 0 9,,10 * * *", Field, &["hour", "`9,,10`", "empty item"], &["0-23"]),
    ("0 0 9, * * *", Field, &["hour", "`9,`", "empty item"], &["0-23"]),
    ("0 0 22-2 * * *", Field, &["hour", "`22-2`", "backwards"], &["`22-23,0-2`"]),
    ("0 0 0 * NOV-FEB *", Field, &["month", "`NOV-FEB`", "backwards"], &["`11-12,1-2`"]),
    ("0 0 0 * * * 2030-2028", Field, &["year", "backwards"], &["1970-2099"]),
    ("0 0 -5 * * *", Field, &["hour", "`-5`", "missing value"], &["0-23"]),
    ("0 0 5- * * *", Field, &["hour", "`5-`", "missing value"], &["0-23"]),
    ("0 */0 * * * *", Field, &["minute", "`*/0`", "step"], &["1-59"]),
    ("0 */60 * * * *", Field, &["minute", "`*/60`", "step"], &["1-59"]),
    ("0 0/ * * * *", Field, &["minute", "`0/`", "step"], &["1-59"]),
    ("0 0/5/5 * * * *", Field, &["minute", "`0/5/5`", "step"], &["1-59"]),
    ("0 ? * * * *", Field, &["minute", "`?`"], &["write `*`"]),
    ("0 0 0 1,? * *", Field, &["day of month", "`?`"], &["write `*`"]),
    ("0 0 L * * *", Field, &["hour", "`L`", "day fields"], &["0-23"]),
    ("0 0 +5 * * *", Field, &["hour", "`+5`"], &["0-23"]),
    ("0 0 ９ * * *", Expression, &["`0 0 ９ * * *`", "only look like"], &["write `0 0 9 * * *`"]),
    ("0 0 ９٣ * * *", Field, &["hour", "`９٣`"], &["0-23"]),
    // L, W, #.
    ("0 0 0 L-31 * ?", Field, &["day of month", "`L-31`"], &["`L-30`"]),
    ("0 0 0 32W * ?", Field, &["day of month", "`32W`"], &["`1W` to `31W`"]),
    ("0 0 0 1-5W * ?", Field, &["day of month", "`1-5W`"], &["`1W` to `31W`"]),
    ("0 0 0 WL * ?", Field, &["day of month", "`WL`"], &["`LW`"]),
    ("0 0 0 ? * MON#6", Field, &["day of week", "`MON#6`", "never"], &["`#1` to `#5`"]),
    ("0 0 0 ? * MON#0", Field, &["day of week", "`MON#0`"], &["`#1` to `#5`"]),
    ("0 0 0 ? * #2", Field, &["day of week", "`#2`"], &["`MON#2`"]),
    ("0 0 0 ? * L", Field, &["day of week", "`L`"], &["`SAT`", "`FRIL`"]),
    ("0 0 0 ? * MON/2", Field, &["day of week", "`MON/2`"], &["`MON-SUN/2`"]),
    ("0 0 0 ? * MON-FUN", Field, &["day of week", "`MON-FUN`"], &["SUN-SAT"]),
    ("0 0 0 ? * MON,", Field, &["day of week", "`MON,`", "empty item"], &["SUN-SAT"]),
    ("0 0 0 ? * 9", Field, &["day of week", "`9`"], &["SUN-SAT"]),
    // Ranges past the end: the same values, in ranges, so that the pace is the same.
    ("* * 23-3/2 * * *", Field, &["hour", "`23-3/2`", "backwards"], &["`23-23/2,1-3/2`"]),
    ("* 57-5/3 * * * *", Field, &["minute", "backwards"], &["`57-59/3,0-5/3`"]),
    ("0 0 0 1 Apr-Mar/3 *", Field, &["month", "`Apr-Mar/3`"], &["`4-12/3,1-3/3`"]),
    ("0 0 22-2/5 * * *", Field, &["hour", "backwards"], &["`22-23/5`"]),
    ("0 0 23-3 * * *", Field, &["hour", "backwards"], &["`23,0-3`"]),
    ("0 0 22-0 * * *", Field, &["hour", "backwards"], &["`22-23,0`"]),
    ("0 0 23-0 * * *", Field, &["hour", "backwards"], &["`23-23,0-0`"]),
    ("0 0 0 25-5 * *", Field, &["day of month", "backwards"], &["`25-31,1-5`"]),
    ("0 0 0 25-5/3 * *", Field, &["day of month", "backwards"], &["allowed: 1-31"]),
    // Steps.
    ("0 /5 * * * *", Field, &["minute", "`/5`", "no value before `/`"], &["write `0/5`"]),
    ("0 0 0 /5 * *", Field, &["day of month", "`/5`"], &["write `1/5`"]),
    ("0 */90 * * * *", Field, &["minute", "`*/90`", "step"], &["`every = \"90m\"`", "1-59"]),
    ("0 0 0/36 * * *", Field, &["hour", "`0/36`", "step"], &["`every = \"36h\"`"]),
    ("*/90 * * * * *", Field, &["second", "step"], &["`every = \"90s\"`"]),
    ("0 0 0 */45 * *", Field, &["day of month", "step"], &["`every = \"45d\"`"]),
    ("0 0 */24 * * *", Field, &["hour", "`*/24`", "step"], &["write `0`", "1-23"]),
    ("0 0 0 1 */13 *", Field, &["month", "step"], &["a step is 1-12"]),
    ("0 9-17/60 * * * *", Field, &["minute", "step"], &["a step is 1-59"]),
    // Lists and names.
    ("0 0 1,,2 * * *", Field, &["hour", "empty item"], &["write `1,2`"]),
    ("0 0 0 1 Sept *", Field, &["month", "`Sept`"], &["write `SEP`"]),
    ("0 0 0 1 Sept-Novem/2 *", Field, &["month"], &["write `SEP-NOV/2`"]),
    ("0 0 0 1 JU *", Field, &["month", "`JU`"], &["JAN-DEC"]),
    ("0 0 0 ? * MO,FR", Field, &["day of week", "`MO`"], &["write `MON`"]),
    ("0 0 0 ? * Mond", Field, &["day of week", "`Mond`"], &["write `MON`"]),
    ("0 0 ?/5 * * *", Field, &["hour", "`?/5`"], &["write `*/5`"]),
    // Values that the scheduler is to choose.
    ("H H * * * *", Expression, &["`H H * * * *`", "choose"], &["`0 0 * * * *`", "`jitter = \"1m\"`"]),
    ("H 4 * * 1-5", Expression, &["choose"], &["`0 0 4 * * MON-FRI`", "jitter"]),
    ("0 H/15 * H * H", Expression, &["choose"], &["`0 0/15 * 1 * SUN`"]),
    ("0 H(10-29)/10 0~5 * * *", Expression, &["choose"], &["`0 10-29/10 0 * * *`"]),
    ("0 H 99 * * *", Field, &["minute", "`H`", "choose"], &["write a number such as `0`", "jitter"]),
    // Days from the end.
    ("0 0 0 L-0 * ?", Field, &["day of month", "`L-0`"], &["write `L`"]),
    ("0 0 0 L-0W * ?", Field, &["day of month", "`L-0W`"], &["write `LW`"]),
    ("0 0 0 L-31W * ?", Field, &["day of month", "out of range"], &["`L-1W` to `L-30W`"]),
    ("0 0 0 L- * ?", Field, &["day of month", "no number"], &["`L-1` to `L-30`"]),
    ("0 0 0 LW-1 * ?", Field, &["day of month", "`LW-1`"], &["write `L-1W`"]),
    ("0 0 0 WL * ?", Field, &["day of month", "`WL`"], &["write `LW`"]),
    ("0 0 0 W15 * ?", Field, &["day of month", "`W15`"], &["write `15W`"]),
    ("0 0 0 L3 * ?", Field, &["day of month", "`L3`"], &["write `L-3`"]),
    ("0 0 0 1,3L * ?", Field, &["day of month", "`3L`"], &["write `L-3`"]),
    ("0 0 0 LAST * ?", Field, &["day of month", "`LAST`"], &["write `L`"]),
    ("0 0 0 -1 * ?", Field, &["day of month", "`-1`"], &["write `L`"]),
    ("0 0 0 -3 * ?", Field, &["day of month", "`-3`"], &["write `L-2`"]),
    // Weekdays from either end of a month.
    ("0 0 0 ? * FRI#L", Field, &["day of week", "`FRI#L`"], &["write `FRIL`"]),
    ("0 0 0 ? * FRI#-1", Field, &["day of week"], &["write `FRIL`"]),
    ("0 0 0 ? * FRI-L", Field, &["day of week"], &["write `FRIL`"]),
    ("0 0 0 ? * LFRI", Field, &["day of week"], &["write `FRIL`"]),
    ("0 0 0 ? * MON-FRI#1", Field, &["day of week", "`MON-FRI#1`"], &["`MON#1,TUE#1,WED#1,THU#1,FRI#1`", "`1W`"]),
    ("0 0 0 ? * SAT-SUN#2", Field, &["day of week"], &["write `SAT#2,SUN#2`"]),
    ("0 0 0 ? * MON#1-3", Field, &["day of week", "number after `#`"], &["write `MON#1,MON#2,MON#3`"]),
    ("0 0 0 ? * MON#", Field, &["day of week", "number after `#`"], &["`#1` to `#5`"]),
    ("0 0 0 * * MON1", Field, &["day of week", "`MON1` is not a weekday"], &["write `MON#1`"]),
    ("0 0 0 * * MON.2#2", Field, &["day of week", "`MON.2` before `#`, which is not a weekday"], &["SUN-SAT"]),
    ("0 0 9 * * MON #2", FieldCount, &["space inside a field"], &["`0 0 9 * * MON#2`"]),
    // Days in the field of weekdays, and the other way round.
    ("0 0 0 * * 2W", Field, &["day of week field `2W` is a day of the month"], &["`0 0 0 2W * ?`"]),
    ("0 0 0 ? * LW 2030", Field, &["`LW` is a day of the month"], &["`0 0 0 LW * ? 2030`"]),
    ("0 0 0 ? * L-3", Field, &["`L-3` is a day of the month"], &["`0 0 0 L-3 * ?`"]),
    ("0 0 0 1 * 2W", Field, &["`2W` is a day of the month"], &["fourth field"]),
    ("0 0 0 MON-FRI * ?", Field, &["day of month field `MON-FRI` is a weekday"], &["`0 0 0 ? * MON-FRI`"]),
    // Other schedulers' whole expressions.
    ("CRON_TZ=Asia/Tokyo 0 0 9 * * *", Expression, &["time zone"], &["`cron = \"0 0 9 * * *\", tz = \"Asia/Tokyo\"`"]),
    ("TZ=Europe/Berlin 30 9 * * 1-5", Expression, &["time zone"], &["`cron = \"0 30 9 * * MON-FRI\", tz = \"Europe/Berlin\"`"]),
    ("TZ=PST 0 0 9 * * *", Expression, &["time zone"], &["`cron = \"0 0 9 * * *\"`", "`PST`", "`America/Los_Angeles`"]),
    ("0 0 9 * * * Asia/Tokyo", Expression, &["time zone"], &["`cron = \"0 0 9 * * *\", tz = \"Asia/Tokyo\"`"]),
    ("30 9 * * * UTC", Expression, &["time zone"], &["`cron = \"0 30 9 * * *\", tz = \"UTC\"`"]),
    ("@daily Asia/Tokyo", Expression, &["time zone"], &["`cron = \"@daily\", tz = \"Asia/Tokyo\"`"]),
    ("TZ=Asia/Tokyo 0 0 25 * * *", Expression, &["time zone"], &["`tz = \"Asia/Tokyo\"`"]),
    ("@every 5m", Expression, &["`@every 5m`", "fixed rate"], &["`every = \"5m\"`"]),
    ("@every 1h30m10s", Expression, &["fixed rate"], &["`every = \"1h30m10s\"`"]),
    ("@every 1.5h", Expression, &["fixed rate"], &["`every = \"5m\"`"]),
    ("@every 10ms", Expression, &["fixed rate"], &["`100ms`"]),
    ("every 5 minutes", Expression, &["fixed rate"], &["`every = \"5m\"`"]),
    ("rate(1 hour)", Expression, &["fixed rate"], &["`every = \"1h\"`"]),
    ("90s", Expression, &["fixed rate"], &["`every = \"90s\"`"]),
    ("@every_minute", Expression, &["`@every_minute`"], &["`0 * * * * *`"]),
    ("every day", Expression, &["`every day`"], &["`@daily`"]),
    ("hourly", Expression, &["`hourly`"], &["`@hourly`"]),
    ("@dayly", Expression, &["`@dayly`"], &["did you mean `@daily`"]),
    ("@fortnightly", Expression, &["`@fortnightly`"], &["`@daily`", "`@yearly`"]),
    ("0 18 ? * MON-FRI *", FieldCount, &["no seconds", "EventBridge"], &["`0 0 18 ? * MON-FRI *`"]),
    ("0 18 ? * 2-6 *", FieldCount, &["no seconds"], &["`0 0 18 ? * MON-FRI *`"]),
    ("15 12 * * ? 2027", FieldCount, &["no seconds"], &["`0 15 12 * * ? 2027`"]),
    ("0 0 ? * * *", FieldCount, &["no seconds"], &["`0 0 0 ? * * *`", "or `0 0 * * * *`"]),
    ("cron(0 18 ? * MON-FRI *)", Expression, &["wrapped"], &["`0 0 18 ? * MON-FRI *`"]),
    ("\"0 0 9 * * *\"", Expression, &["quotation marks"], &["write `0 0 9 * * *`"]),
    ("'30 9 * * 1'", Expression, &["quotation marks"], &["write `0 30 9 * * MON`"]),
    ("0 0 9 * * * # nine o'clock", Expression, &["comment"], &["write `0 0 9 * * *`"]),
    ("0 0 9 * * * PST", Expression, &["time zone"], &["`cron = \"0 0 9 * * *\"`", "did you mean `America/Los_Angeles`"]),
    ("0 0 9 * * * Asia/Mumbai", Expression, &["time zone"], &["`cron = \"0 0 9 * * *\"`", "did you mean `Asia/Kolkata`"]),
    ("@every_5m", Expression, &["fixed rate"], &["`every = \"5m\"`"]),
    ("@every", Expression, &["fixed rate"], &["such as `every = \"5m\"`"]),
    ("every monday", FieldCount, &["2 fields"], &["six or seven"]),
    ("0 9 * * 1-5 /usr/bin/report --all", Expression, &["command"], &["write `0 0 9 * * MON-FRI`"]),
    ("0 9 * * * root ./report", Expression, &["command"], &["write `0 0 9 * * *`"]),
    ("0 0 9 * * MON, TUE", FieldCount, &["space inside a field", "7 fields"], &["`0 0 9 * * MON,TUE`"]),
    ("0 0 9 * * MON - FRI", FieldCount, &["space inside a field"], &["`0 0 9 * * MON-FRI`"]),
    ("0 /5 * * * * *", Field, &["minute", "`/5`"], &["write `0/5`"]),
    ("0 0 9 * * MON\u{2013}FRI", Expression, &["only look like"], &["write `0 0 9 * * MON-FRI`"]),
    ("\u{feff}0 0 9 * * *", Expression, &["only look like"], &["write `0 0 9 * * *`"]),
    ("-", Expression, &["`-`", "does not switch the job off"], &["`enabled = false`"]),
    ("off", Expression, &["`off`", "switch"], &["`enabled = false`"]),
    ("Disabled", Expression, &["`Disabled`"], &["`enabled = false`", "`enabled_env`"]),
    // Numeric weekdays: both readings, to paste.
    ("0 0 0 * * L5", NumericWeekday, &["`L5`"], &["`0 0 0 * * FRIL` (as croniter", "`0 0 0 * * THUL`"]),
    ("0 0 0 * * L1", NumericWeekday, &["`L1`"], &["`0 0 0 * * MONL`", "`0 0 0 * * SUNL`"]),
    ("0 0 0 * * L0", NumericWeekday, &["`L0`"], &["write `0 0 0 * * SUNL`"]),
    ("0 0 0 * * L8", Field, &["`L8`", "not a weekday"], &["SUN-SAT"]),
    ("0 0 0 * * /2", NumericWeekday, &["`/2`", "start"], &["SUN,TUE,THU,SAT`", "MON,WED,FRI,SUN`"]),
    ("0 0 0 * * MON#1,3", NumericWeekday, &["`MON#1,3`"], &["`0 0 0 * * MON#1,MON#3`"]),
    ("0 0 0 * * MON-5#1", Field, &["`MON-5` before `#`, which is not a weekday"], &["SUN-SAT"]),
    ("0 0 0 31 2 1", Never, &["never", "`31`", "`2`"], &["`L`"]),
    ("0 0 0 ? * 1 1999", Never, &["year", "past"], &["2026-2099"]),
    ("0 0 0 ? * 1 1960", Field, &["year", "`1960`"], &["1970-2099"]),
    ("0 0 9 * * 1", NumericWeekday, &["day of week", "`1`", "Quartz", "Spring"], &["`0 0 9 * * SUN`", "`0 0 9 * * MON`"]),
    ("0 0 9 * * 2-6", NumericWeekday, &["`2-6`"], &["`0 0 9 * * MON-FRI`", "`0 0 9 * * TUE-SAT`"]),
    ("0 0 9 ? * 2#1 2030", NumericWeekday, &["`2#1`"], &["`0 0 9 ? * MON#1 2030`", "`0 0 9 ? * TUE#1 2030`"]),
    ("0 0 9 ? * 6L", NumericWeekday, &["`6L`"], &["`0 0 9 ? * FRIL`", "`0 0 9 ? * SATL`"]),
    ("0 0 9 ? * MON,3", NumericWeekday, &["`MON,3`"], &["`0 0 9 ? * MON,TUE`", "`0 0 9 ? * MON,WED`"]),
    ("0 0 9 ? * MON-5", NumericWeekday, &["`MON-5`"], &["`0 0 9 ? * MON-THU`", "`0 0 9 ? * MON-FRI`"]),
    ("0 0 9 ? * 0", NumericWeekday, &["`0`"], &["`0 0 9 ? * SUN`"]),
    ("0 0 9 ? * 1-7", NumericWeekday, &["`1-7`"], &["`0 0 9 ? * *`"]),
    ("0 0 9 ? * 2/2", NumericWeekday, &["`2/2`"], &["`0 0 9 ? * MON,WED,FRI`", "`0 0 9 ? * TUE,THU,SAT`"]),
    ("0 0 9 ? * */2", NumericWeekday, &["`*/2`", "start"], &["SUN,TUE,THU,SAT`", "MON,WED,FRI,SUN`"]),
    // Never.
    ("0 0 0 31 2 ?", Never, &["never", "`31`", "`2`"], &["`L`"]),
    ("0 0 0 30 FEB ?", Never, &["never", "day of month `30`", "month `FEB`"], &["`L`"]),
    ("0 0 0 31 4,6,9,11 *", Never, &["never"], &["`L`"]),
    ("0 0 0 29 2 ? 2027", Never, &["never", "year `2027`"], &["every one"]),
    ("0 0 0 1-7 * MON#5", Never, &["never", "`1-7`", "`MON#5`"], &["every one"]),
    ("0 0 0 ? * * 2020", Never, &["year", "`2020`", "past"], &["2026-2099"]),
    ("0 0 0 ? * * 1999-2025", Never, &["year", "`1999-2025`", "past"], &["2026-2099"]),
];

#[test]
fn cron_errors_say_what_is_wrong_and_the_way_out() {
    for (expression, kind, message, help) in CRON {
        let error = match Schedule::cron(expression, Zone::utc()) {
            Ok(schedule) => panic!("{schedule} was accepted"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), *kind, "{expression}: {error}");
        for part in *message {
            assert!(
                error.message().contains(part),
                "{expression}: {part} is not in: {}",
                error.message()
            );
        }
        let shown = error.help().unwrap_or_default();
        for part in *help {
            assert!(
                shown.contains(part),
                "{expression}: {part} is not in: {shown}"
            );
        }
        assert_eq!(error.to_string(), format!("{}; {shown}", error.message()));
        let offered = ways_out::check(expression, &error);
        if *kind == NumericWeekday {
            assert!(!offered.is_empty(), "nothing to paste: {error}");
        }
    }
}

#[test]
fn errors_quote_at_most_a_line() {
    let long = "9".repeat(400);
    for expression in [
        format!("0 0 {long} * * *"),
        long.clone(),
        format!("@{long}"),
        "x ".repeat(9_999),
    ] {
        let Err(error) = Schedule::cron(&expression, Zone::utc()) else {
            panic!("{expression} was accepted")
        };
        assert!(error.to_string().chars().count() < 400, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn durations_are_read_or_explained() {
    for (text, expected_ms) in [
        ("90s", 90_000),
        ("500ms", 500),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("0s", 0),
        ("007s", 7_000),
        ("18446744073709551615ms", u64::MAX),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_millis(expected_ms)),
            "{text}"
        );
    }
    for (text, message, help) in [
        ("", "empty", "`90s`"),
        (" ", "empty", "`90s`"),
        ("5", "`5` has no unit", "`5s`"),
        ("5 sec", "`5 sec`", "`5s`"),
        ("5 s", "`5 s`", "`5s`"),
        ("10 Minutes", "`10 Minutes`", "`10m`"),
        ("5S", "`5S`", "`5s`"),
        ("1.5s", "fraction", "`1500ms`"),
        ("-5s", "sign", "`90s`"),
        ("s", "`s`", "`ms`"),
        ("5w", "`5w`", "`d`"),
        ("5m3h", "out of order", "`1h30m`"),
        ("5m5m", "twice", "`1h30m`"),
        ("1h30", "`1h30`", "`1h30m`"),
        ("18446744073709551616ms", "too large", "ms"),
        ("18446744073709551615ms1s", "out of order", "`1h30m`"),
        ("300000000000d", "too large", "ms"),
        ("99999999999999999999999999d", "too large", "ms"),
        ("５s", "`５s`", "`1h30m`"),
    ] {
        let Err(error) = parse_duration(text) else {
            panic!("{text} was accepted")
        };
        assert_eq!(error.kind(), ScheduleErrorKind::Duration);
        assert!(error.message().contains(message), "{text}: {error}");
        assert!(
            error.help().is_some_and(|shown| shown.contains(help)),
            "{text}: {error}"
        );
    }
}

#[test]
fn periods_and_offsets_have_limits() {
    let second = Duration::from_secs(1);
    for (period, offset, kind, text) in [
        (
            Duration::from_millis(99),
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`100ms`",
        ),
        (
            Duration::ZERO,
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`100ms`",
        ),
        (
            MAX_PERIOD + second,
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`366d`",
        ),
        (
            Duration::MAX,
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`366d`",
        ),
        (
            Duration::from_micros(100_500),
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "whole",
        ),
        (
            second,
            second,
            ScheduleErrorKind::Offset,
            "less than the period",
        ),
        (
            second,
            Duration::MAX,
            ScheduleErrorKind::Offset,
            "less than the period",
        ),
        (
            second,
            Duration::from_nanos(1),
            ScheduleErrorKind::Offset,
            "whole",
        ),
    ] {
        let Err(error) = Schedule::every(period, offset) else {
            panic!("{period:?} {offset:?}")
        };
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(Schedule::every(Duration::from_millis(100), Duration::from_millis(99)).is_ok());
    assert!(Schedule::every(MAX_PERIOD, Duration::ZERO).is_ok());
}
