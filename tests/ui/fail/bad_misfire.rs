use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", misfire = run_onec)]
async fn a() {}

#[scheduled_one(every = "90s", misfire = "run_once")]
async fn b() {}

#[scheduled_one(every = "90s", misfire = "often")]
async fn c() {}

#[scheduled_one(every = "90s", misfire = run_once(1))]
async fn d() {}

#[scheduled_one(every = "90s", misfire = 1)]
async fn e() {}

#[scheduled_one(every = "90s", misfire = coalesce)]
async fn f() {}

#[scheduled_one(every = "90s", misfire = RunAll)]
async fn g() {}

#[scheduled_one(every = "90s", misfire = something)]
async fn h() {}

fn main() {}
