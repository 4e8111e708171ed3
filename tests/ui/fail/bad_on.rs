use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", on = "gpu")]
async fn no_list() {}

#[scheduled_one(every = "90s", on = [])]
async fn nothing() {}

#[scheduled_one(every = "90s", on = [gpu])]
async fn no_texts() {}

#[scheduled_one(every = "90s", on = ["gpu", "g p u", "gpu", ""])]
async fn no_labels() {}

#[scheduled_one(every = "90s", on = ["*"])]
async fn every_node() {}

#[scheduled_one(every = "90s", on = ["*", "gpu"])]
async fn star_is_not_last() {}

#[scheduled_one(every = "90s", scope = every_node, on = ["gpu"])]
async fn without_a_claim() {}

fn main() {}
