use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", on_node_loss = rerun)]
async fn a() {}

#[scheduled_one(every = "90s", on_node_loss = rerun("1"))]
async fn b() {}

#[scheduled_one(every = "90s", on_node_loss = record(1))]
async fn c() {}

#[scheduled_one(every = "90s", on_node_loss = "rerun(2)")]
async fn d() {}

#[scheduled_one(every = "90s", on_node_loss = "lost")]
async fn e() {}

#[scheduled_one(every = "90s", on_node_loss = retry)]
async fn f() {}

#[scheduled_one(every = "90s", on_node_loss = 2)]
async fn g() {}

#[scheduled_one(every = "90s", on_node_loss = rerun(0))]
async fn h() {}

#[scheduled_one(every = "90s", on_node_loss = rerun(101))]
async fn i() {}

#[scheduled_one(every = "90s", on_node_loss = OnNodeLoss::Rerun(3))]
async fn j() {}

fn main() {}
