use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", shards = 2, scope = every_node)]
async fn a() {}

#[scheduled_one(every = "90s", scope = every_node, shards = 2)]
async fn b() {}

fn main() {}
