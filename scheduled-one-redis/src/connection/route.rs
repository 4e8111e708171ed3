//! Finds the server for a new connection, and follows redirects of a cluster.

use deadpool_redis::redis::RedisError;
use scheduled_one_protocol::BoxFuture;
use tokio::time::Instant;

use crate::classify::RedisFailure;
use crate::connection::cluster::Cluster;
use crate::connection::dial::Dialer;
use crate::connection::sentinel::Sentinels;
use crate::connection::session::PooledSession;
use crate::connection::{Commands, Replies};
use crate::doctor::FailoverTiming;
use crate::encryption::Encryption;
use crate::topology::{Endpoint, Topology};
use crate::url::Address;

/// The search for the server of the namespace, repeated for each connection.
pub(super) enum Route {
    Standalone { dialer: Dialer, endpoint: Endpoint },
    Sentinel(Sentinels),
    Cluster(Cluster),
}

/// A new connection and the server that it leads to.
pub(super) struct Reached {
    pub(super) connection: PooledSession,
    pub(super) endpoint: Endpoint,
}

/// A redirect by a node of a cluster.
pub(super) enum Redirect {
    /// The hash slot has another owner: the next connection leads there.
    Moved,
    /// The hash slot is migrating: this one request goes to that node.
    Ask(Endpoint),
}

impl Route {
    /// `key` is any key of the namespace.
    pub(super) fn new(address: &Address, tls: &Encryption, key: &str) -> Self {
        let dialer = Dialer::new(address.login.clone(), address.db, tls.clone());
        match &address.topology {
            Topology::Standalone(endpoint) => Route::Standalone {
                dialer,
                endpoint: endpoint.clone(),
            },
            Topology::Sentinel {
                sentinels,
                master,
                login,
            } => {
                let sentinel_dialer = Dialer::new(login.clone(), 0, tls.clone());
                let sentinels = sentinels.clone();
                Route::Sentinel(Sentinels::new(
                    dialer,
                    sentinel_dialer,
                    sentinels,
                    master.clone(),
                ))
            }
            Topology::Cluster { seeds } => Route::Cluster(Cluster::new(dialer, seeds.clone(), key)),
        }
    }

    /// Finds the server and connects to it, until `deadline`.
    ///
    /// The future is boxed, as are those of the other methods: nested unboxed futures exceed the type depth limit of
    /// rustc in programs that await them a few functions down.
    pub(super) fn connect(
        &self,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Reached, RedisFailure>> {
        match self {
            Route::Standalone { dialer, endpoint } => Box::pin(async move {
                Ok(Reached {
                    connection: dialer.dial(endpoint, deadline).await?,
                    endpoint: endpoint.clone(),
                })
            }),
            Route::Sentinel(sentinels) => Box::pin(sentinels.connect(deadline)),
            Route::Cluster(cluster) => Box::pin(cluster.connect(deadline)),
        }
    }

    /// The timing of failovers in the configuration of the sentinels.
    pub(super) async fn failover_timing(&self) -> Option<FailoverTiming> {
        match self {
            Route::Sentinel(sentinels) => sentinels.failover_timing().await,
            Route::Standalone { .. } | Route::Cluster(_) => None,
        }
    }

    /// True if a connection may lead to a replaced primary whose replies do not show it.
    pub(super) fn needs_checks(&self) -> bool {
        matches!(self, Route::Sentinel(_))
    }

    /// True if another server has become the primary.
    pub(super) fn is_deposed<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, bool> {
        match self {
            Route::Sentinel(sentinels) => Box::pin(sentinels.names_another(endpoint)),
            Route::Standalone { .. } | Route::Cluster(_) => Box::pin(async { false }),
        }
    }

    /// The reason of a server that closes each new connection, after `error` on one of them.
    pub(super) fn reason_of_hang_up<'a>(
        &'a self,
        to: &'a Endpoint,
        error: &'a RedisError,
    ) -> BoxFuture<'a, Option<RedisFailure>> {
        let dialer = match self {
            Route::Standalone { dialer, .. } => dialer,
            Route::Sentinel(sentinels) => &sentinels.dialer,
            Route::Cluster(cluster) => &cluster.dialer,
        };
        Box::pin(dialer.reason_of_hang_up(to, error))
    }

    /// The redirect in an error reply from `from`. `None` if the error is no redirect, or Redis is not used as a
    /// cluster.
    pub(super) fn follow(&self, error: &RedisError, from: &Endpoint) -> Option<Redirect> {
        match self {
            Route::Cluster(cluster) => cluster.follow(error, from),
            Route::Standalone { .. } | Route::Sentinel(_) => None,
        }
    }

    /// Sends one request to the node that a hash slot migrates to.
    pub(super) fn send_asking<'a>(
        &'a self,
        to: &'a Endpoint,
        from: &'a Endpoint,
        request: Commands<'a>,
    ) -> BoxFuture<'a, Result<Replies, RedisFailure>> {
        match self {
            Route::Cluster(cluster) => Box::pin(cluster.send_asking(to, from, request)),
            // Unreachable: without a cluster, `follow` returns no redirect.
            Route::Standalone { .. } | Route::Sentinel(_) => Box::pin(async { Ok(Replies::new()) }),
        }
    }
}

/// True if the error reply redirects the request to another node.
pub(super) fn is_redirect(error: &RedisError) -> bool {
    matches!(error.code(), Some("MOVED" | "ASK"))
}
