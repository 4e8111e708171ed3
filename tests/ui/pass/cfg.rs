use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s")]
#[cfg(any())]
async fn out_below(_no_such_type: NoSuchType) {}

#[cfg(any())]
#[scheduled_one(every = "90s")]
async fn out_above(_no_such_type: NoSuchType) {}

#[scheduled_one(every = "90s")]
#[cfg(not(target_os = "none"))]
async fn stays() {}

#[cfg_attr(not(target_os = "none"), scheduled_one(every = "90s"))]
async fn by_cfg_attr() {}

#[cfg_attr(any(), scheduled_one(every = "90s"))]
#[allow(dead_code)]
async fn not_by_cfg_attr() {}
