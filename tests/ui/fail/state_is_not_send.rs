use scheduled_one_runtime::scheduled_one;

use std::rc::Rc;

use scheduled_one_runtime::State;

#[scheduled_one(every = "90s")]
async fn report(db: State<Rc<u8>>) {
    std::future::ready(()).await;
    drop(db);
}

#[scheduled_one(every = "90s")]
async fn bare(_db: Rc<u8>) {}

fn main() {}
