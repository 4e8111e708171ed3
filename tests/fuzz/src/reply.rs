//! Any bytes as the reply of a server.

use scheduled_one_redis::fuzzing;
use scheduled_one_runtime::fuzzing::{take_account, take_head, take_marks};

/// The bytes are a reply to some operations and an error to the others; and a node can go on with each reply.
pub fn reply(bytes: &[u8]) {
    for read in fuzzing::reply(bytes) {
        if let Some(head) = &read.head {
            take_head(head);
        }
        read.claimed.iter().for_each(take_marks);
        if !read.inspected.is_empty() {
            take_account(read.lines, &read.inspected);
        }
    }
}
