//! Which server a connection has to lead to.

use deadpool_redis::Connection as PooledConnection;
use deadpool_redis::redis::RedisError;
use scheduled_one_protocol::BoxFuture;

use crate::classify::RedisFailure;
use crate::connection::cluster::Cluster;
use crate::connection::dial::Dialer;
use crate::connection::sentinel::Sentinels;
use crate::connection::{CONNECT_TIMEOUT, Commands, Replies};
use crate::doctor::FailoverTiming;
use crate::encryption::Encryption;
use crate::topology::{Endpoint, Topology};
use crate::url::Address;

/// How the server that holds the namespace is found: anew for each connection.
pub(super) enum Route {
    Standalone { dialer: Dialer, endpoint: Endpoint },
    Sentinel(Sentinels),
    Cluster(Cluster),
}

/// A connection to the right server.
pub(super) struct Reached {
    pub(super) connection: PooledConnection,
    pub(super) endpoint: Endpoint,
}

/// Where a node of a cluster sends a request.
pub(super) enum Redirect {
    /// To the owner of the slot, as the next connection.
    Moved,
    /// To a node that is about to own it, this one request.
    Ask(Endpoint),
}

impl Route {
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
                let ask = Dialer::new(login.clone(), 0, tls.clone());
                let sentinels = sentinels.clone();
                Route::Sentinel(Sentinels::new(dialer, ask, sentinels, master.clone()))
            }
            Topology::Cluster { seeds } => Route::Cluster(Cluster::new(dialer, seeds.clone(), key)),
        }
    }

    /// On the heap, and so for the other two: the type of the whole future
    /// would be too deep for rustc in a program that awaits it a few functions
    /// down.
    pub(super) fn connect(&self) -> BoxFuture<'_, Result<Reached, RedisFailure>> {
        match self {
            Route::Standalone { dialer, endpoint } => Box::pin(async {
                Ok(Reached {
                    connection: dialer.dial(endpoint, CONNECT_TIMEOUT).await?,
                    endpoint: endpoint.clone(),
                })
            }),
            Route::Sentinel(sentinels) => Box::pin(sentinels.connect()),
            Route::Cluster(cluster) => Box::pin(cluster.connect()),
        }
    }

    /// How sentinels timing the master.
    pub(super) async fn failover_timing(&self) -> Option<FailoverTiming> {
        match self {
            Route::Sentinel(sentinels) => sentinels.failover_timing().await,
            Route::Standalone { .. } | Route::Cluster(_) => None,
        }
    }

    /// Whether a connection may lead to the wrong server and none of its
    /// answers says so.
    pub(super) fn needs_checks(&self) -> bool {
        matches!(self, Route::Sentinel(_))
    }

    /// Whether another server has the place of this one.
    pub(super) fn is_deposed<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, bool> {
        match self {
            Route::Sentinel(sentinels) => Box::pin(sentinels.name_another(endpoint)),
            Route::Standalone { .. } | Route::Cluster(_) => Box::pin(async { false }),
        }
    }

    /// Where to go with a request that the server at `from` has refused. None
    /// if the error says nothing of that, or the URL nothing of a cluster.
    pub(super) fn follow(&self, error: &RedisError, from: &Endpoint) -> Option<Redirect> {
        match self {
            Route::Cluster(cluster) => cluster.follow(error, from),
            Route::Standalone { .. } | Route::Sentinel(_) => None,
        }
    }

    /// Sends a request to a node that is about to own the slot.
    pub(super) fn ask_at<'a>(
        &'a self,
        to: &'a Endpoint,
        request: Commands<'a>,
    ) -> BoxFuture<'a, Result<Replies, RedisFailure>> {
        match self {
            Route::Cluster(cluster) => Box::pin(cluster.ask_at(to, request)),
            // Never asked for: `follow` names no such node.
            Route::Standalone { .. } | Route::Sentinel(_) => Box::pin(async { Ok(Replies::new()) }),
        }
    }
}

/// Whether a request was sent on to another node.
pub(super) fn is_redirect(error: &RedisError) -> bool {
    matches!(error.code(), Some("MOVED" | "ASK"))
}
