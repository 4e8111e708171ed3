use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
async fn r#match() {}
