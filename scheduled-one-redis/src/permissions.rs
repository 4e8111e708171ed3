//! The permissions of a user of Redis that depend on the URL and the options.

/// The conditions under which commands are needed in addition to those that every store needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequiredPermissions {
    /// The database of the namespace; a database other than 0 needs `SELECT`.
    pub(crate) db: i64,
    /// Redis is a cluster: the owner of a hash slot is looked up, and migrations are followed.
    pub(crate) cluster: bool,
    /// Claims wait for replicas of Redis.
    pub(crate) replicas: bool,
}
