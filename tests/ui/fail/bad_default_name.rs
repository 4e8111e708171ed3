use scheduled_one_runtime::scheduled_one;

mod größe {
    use super::scheduled_one;

    #[scheduled_one(every = "90s")]
    async fn measure() {}

    #[scheduled_one(every = "90s", name = "measure")]
    async fn named() {}
}

mod a_module_of_thirty_two_letters_1 {
    pub(super) mod a_module_of_thirty_two_letters_2 {
        pub(super) mod a_module_of_thirty_two_letters_3 {
            use crate::scheduled_one;

            #[scheduled_one(every = "90s")]
            async fn a_function_of_thirty_letters_() {}
        }
    }
}

fn main() {}
