use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", retries = 1, retry_on = error)]
async fn a() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [])]
async fn b() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [eror])]
async fn c() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = ["error"])]
async fn d() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [error, error])]
async fn e() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [error panic])]
async fn f() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [error(1)])]
async fn g() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = "error")]
async fn h() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = {error})]
async fn i() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [error, err])]
async fn j() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [error, always])]
async fn k() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [1])]
async fn l() {}

#[scheduled_one(every = "90s", retries = 1, retry_on = [error,, panic])]
async fn m() {}

#[scheduled_one(every = "90s", retries = 1, retry_on())]
async fn n() {}

#[scheduled_one(every = "90s", retries = 1, retry_on(panick))]
async fn o() {}

#[scheduled_one(every = "90s", retries = 1, retry_on[error])]
async fn p() {}

#[scheduled_one(every = "90s", retries = 1, retry_on)]
async fn q() {}

fn main() {}
