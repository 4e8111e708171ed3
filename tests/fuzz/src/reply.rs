//! Any bytes as what a server sends.

use scheduled_one_runtime::store::redis::fuzzing;

/// Read as the reply to each operation, it is one or an error; and a node can
/// go on with what was read.
pub fn reply(bytes: &[u8]) {
    let _ = fuzzing::reply(bytes);
}
