mod inner {
    pub(super) mod deeper {
        use scheduled_one_runtime::{JobContext, scheduled_one};

        // Neither of them is dead code.
        #[scheduled_one(every = "90s")]
        async fn private(_ctx: JobContext) {}

        #[scheduled_one(every = "90s")]
        pub(in crate::private_and_nested) async fn visible() {}
    }
}

pub(crate) fn in_a_function() {
    use scheduled_one_runtime::{State, scheduled_one};

    #[derive(Clone)]
    struct Local;

    #[scheduled_one(every = "90s")]
    async fn local(State(_local): State<Local>) {}

    let _ = Local;
}

pub(crate) async fn call() {
    inner::deeper::visible().await;
}
