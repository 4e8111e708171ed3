//! The identity of the history that a server serves: a server with another history may have forgotten decisions.

/// How the identity is found. Both are expressions of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Of the cluster of databases and its timeline. A promoted standby begins a new timeline, and so does a restored
    /// backup; a server that is restarted does not.
    Timeline,
    /// Of the start of the server, where the first may not be asked, as with some managed services. Each restart is a
    /// change.
    Start,
}

impl Identity {
    pub(crate) fn sql(self) -> &'static str {
        // Without `fsync`, a crash of the machine forgets what was committed, so a restart is a change.
        match self {
            Identity::Timeline => {
                "(SELECT system_identifier::text FROM pg_control_system()) || ':' \
                 || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) \
                 || CASE current_setting('fsync') WHEN 'on' THEN '' \
                 ELSE ':' || extract(epoch FROM pg_postmaster_start_time())::text END"
            }
            Identity::Start => "'start:' || extract(epoch FROM pg_postmaster_start_time())::text",
        }
    }

    /// The end of the log that is on the disk. It never goes back, unless the disk does.
    pub(crate) fn flushed_sql(self) -> &'static str {
        match self {
            Identity::Timeline => "(pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint",
            // Each restart is a change.
            Identity::Start => "NULL::bigint",
        }
    }
}
