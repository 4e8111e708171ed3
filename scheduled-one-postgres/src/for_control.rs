//! Users with fewer rights than a scheduler.

use std::sync::atomic::Ordering;

use crate::connect_error::ConnectError;
use crate::limited::Role;
use crate::preflight::{self, Tables};
use crate::schema::missing_error;
use crate::store::PostgresStore;

impl PostgresStore {
    /// Examines the server as a start does, and makes no tables; a user who lacks rights of a scheduler may have those
    /// of an operator or of a viewer.
    pub(crate) async fn check_for_control(&self) -> Result<(), ConnectError> {
        let (shared, address) = (&self.shared, &self.shared.address);
        shared.is_for_control.store(true, Ordering::Relaxed);
        let facts = preflight::examine(&self.connections, shared, Tables::Look).await?;
        facts.lacking.refuse(address)?;
        let reads = match facts.role {
            Role::Scheduler | Role::Operator => false,
            Role::Viewer => true,
            Role::None => return Err(missing_error(address, &facts.missing)),
        };
        shared.reads.store(reads, Ordering::Relaxed);
        let is_limited = facts.role != Role::Scheduler;
        shared.is_limited.store(is_limited, Ordering::Relaxed);
        Ok(())
    }
}
