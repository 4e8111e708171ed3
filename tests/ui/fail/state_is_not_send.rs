use scheduled_one_runtime::scheduled_one;

use std::rc::Rc;

use scheduled_one_runtime::State;

// Two errors for what is two mistakes to rustc: the argument, and the future that holds it.
#[scheduled_one(every = "90s")]
async fn report(db: State<Rc<u8>>) {
    std::future::ready(()).await;
    drop(db);
}

#[scheduled_one(every = "90s")]
async fn bare(_db: Rc<u8>) {}

fn main() {}
