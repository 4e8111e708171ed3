use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
async fn of_type<T: Send>(_value: T) {}

#[scheduled_one(every = "90s")]
async fn of_const<const N: usize>() {}

#[scheduled_one(every = "90s")]
async fn of_lifetime<'a>(_text: &'a str) {}

#[scheduled_one(every = "90s")]
async fn of_impl(_value: impl Clone + Send) {}

#[scheduled_one(every = "90s")]
async fn of_nested_impl(_value: Vec<impl Clone + Send>) {}

fn main() {}
