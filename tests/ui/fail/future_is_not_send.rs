use scheduled_one_runtime::scheduled_one;

use std::rc::Rc;

#[scheduled_one(every = "90s")]
async fn report() {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    drop(shared);
}

fn main() {}
