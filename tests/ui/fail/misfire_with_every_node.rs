use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", misfire = run_once, scope = every_node)]
async fn a() {}

#[scheduled_one(every = "90s", scope = every_node, misfire = run_once)]
async fn b() {}

fn main() {}
