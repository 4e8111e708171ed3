use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", overlap = queue_one, scope = every_node)]
async fn a() {}

#[scheduled_one(every = "90s", scope = every_node, overlap = queue_one)]
async fn b() {}

fn main() {}
