//! Settings of the connection to Redis that are not in its URL.

use std::path::Path;

use crate::scheduler::builder::SchedulerBuilder;

impl SchedulerBuilder {
    /// Trusts the authorities of this PEM file, and no others, for `rediss://`
    /// and for the sentinels of `rediss+sentinel://`. Default: the authorities
    /// of the system, or of the file that the environment variable
    /// `SSL_CERT_FILE` names. Read at start, and again for each connection.
    ///
    /// A certificate of a server that stands in the file itself is trusted,
    /// too: that of a server that has signed its own. It has to name the host
    /// of the URL, as any other.
    pub fn tls_ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.store.redis = self.store.redis.tls_ca_file(path);
        self
    }

    /// Shows this certificate to a Redis, or sentinel, that asks for one: two
    /// PEM files, read at start, and again for each connection, so that a
    /// renewed certificate needs no restart.
    pub fn tls_client_cert(mut self, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.store.redis = self.store.redis.tls_client_cert(cert, key);
        self
    }

    /// **Dangerous**: accepts every certificate, whoever it names and whoever
    /// signed it. Anybody on the way to Redis can then read and change
    /// everything, the password included. For a trial with a server whose
    /// certificate is wrong; each start logs a warning (event `doctor`).
    ///
    /// A server that has signed its own certificate needs this not: give
    /// [`tls_ca_file`](Self::tls_ca_file) that certificate.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.store.redis = self.store.redis.danger_accept_any_certificate();
        self
    }

    /// Takes the password of Redis from this file. It is read for each new
    /// connection, so a new password needs no restart; a newline at its end
    /// does not count. The user, if it is not the default user, stays in the
    /// URL: `redis://ann@host`.
    pub fn password_file(mut self, path: impl AsRef<Path>) -> Self {
        self.store.redis = self.store.redis.password_file(path);
        self
    }

    /// The login of the sentinels, if they want one: it is not that of Redis.
    /// An empty user is the default user.
    pub fn sentinel_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.store.redis = self.store.redis.sentinel_login(user, password);
        self
    }

    /// Takes the password of the sentinels from this file, as
    /// [`password_file`](Self::password_file) takes that of Redis. Their user, if
    /// it is not the default user, stays in the URL (`?sentinel_user=bob`), or in
    /// [`sentinel_login`](Self::sentinel_login), there with an empty password.
    pub fn sentinel_password_file(mut self, path: impl AsRef<Path>) -> Self {
        self.store.redis = self.store.redis.sentinel_password_file(path);
        self
    }

    /// Starts a run only when so many replicas of Redis have its claim, so that
    /// a failover does not forget it. Default 0; at most
    /// [`MAX_REPLICAS`](scheduled_one_redis::MAX_REPLICAS).
    ///
    /// Each batch of claims that grants something takes one more round trip,
    /// to the replicas too. It waits for a quarter of the lease, 500 ms at
    /// most; then its ticks are recorded as missed: too few replicas had the
    /// claim. The user of Redis needs the right `+wait`.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.store.redis = self.store.redis.replicas(replicas);
        self
    }
}
