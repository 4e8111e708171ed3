use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", overlap = skp)]
async fn a() {}

#[scheduled_one(every = "90s", overlap = "skip")]
async fn b() {}

#[scheduled_one(every = "90s", overlap = "queue_all(3)")]
async fn c() {}

#[scheduled_one(every = "90s", overlap = "queue")]
async fn d() {}

#[scheduled_one(every = "90s", overlap = queue_all)]
async fn e() {}

#[scheduled_one(every = "90s", overlap = queue_all())]
async fn f() {}

#[scheduled_one(every = "90s", overlap = queue_all(x))]
async fn g() {}

#[scheduled_one(every = "90s", overlap = queue_all("3"))]
async fn h() {}

#[scheduled_one(every = "90s", overlap = queue_all(1, 2))]
async fn i() {}

#[scheduled_one(every = "90s", overlap = queue_all[3])]
async fn j() {}

#[scheduled_one(every = "90s", overlap = allow = 2)]
async fn k() {}

#[scheduled_one(every = "90s", overlap = skip(3))]
async fn l() {}

#[scheduled_one(every = "90s", overlap = 3)]
async fn m() {}

#[scheduled_one(every = "90s", overlap = -1)]
async fn n() {}

#[scheduled_one(every = "90s", overlap = [skip])]
async fn o() {}

#[scheduled_one(every = "90s", overlap = true)]
async fn p() {}

#[scheduled_one(every = "90s", overlap = Overlap::QueueOne)]
async fn q() {}

#[scheduled_one(every = "90s", overlap = forbid)]
async fn r() {}

#[scheduled_one(every = "90s", overlap = queue_all(0))]
async fn s() {}

#[scheduled_one(every = "90s", overlap = queue_all(1001))]
async fn t() {}

#[scheduled_one(every = "90s", overlap = allow(1))]
async fn u() {}

#[scheduled_one(every = "90s", overlap = allow(33))]
async fn v() {}

#[scheduled_one(every = "90s", overlap = allow(99999999999))]
async fn w() {}

#[scheduled_one(every = "90s", overlap(skip))]
async fn x() {}

#[scheduled_one(every = "90s", overlap)]
async fn y() {}

#[scheduled_one(every = "90s", overlap = "it's")]
async fn quoted_a() {}

#[scheduled_one(every = "90s", overlap = "queue_all")]
async fn quoted_b() {}

#[scheduled_one(every = "90s", overlap = "queue_all(")]
async fn quoted_c() {}

#[scheduled_one(every = "90s", overlap = "allow(3")]
async fn quoted_d() {}

#[scheduled_one(every = "90s", overlap = "skip(3)")]
async fn quoted_e() {}

#[scheduled_one(every = "90s", overlap = "Skip")]
async fn quoted_f() {}

fn main() {}
