use scheduled_one_runtime::scheduled_one;

#[scheduled_one(cron = "0 0 25 * * ?", tz = "Mars/Olympus", lease = "1ms", timeout = "0s", name = "a b", foo = 1)]
unsafe fn several<T>(_value: T) {}

fn main() {}
