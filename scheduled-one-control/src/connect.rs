//! From a URL to a [`Control`].

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::{Bucket, StoreError};

use crate::control::{Control, caller};
use crate::error::Error;
use crate::store_url::{StoreOptions, is_memory, is_missing_file, open_store};

/// A connection that is being set up; awaiting it connects.
#[derive(Clone)]
#[must_use = "nothing happens until it is awaited"]
pub struct Connect {
    pub(crate) url: String,
    pub(crate) namespace: String,
    pub(crate) options: StoreOptions,
}

/// Not the URL: it may hold a password.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// Connects to the store of a namespace. Runs no jobs and is no node.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`]: the URL is wrong, or the server cannot be used. [`Error::EmptyNamespace`].
    /// [`Error::Argument`] for `memory://`, and for a file of SQLite that is not there.
    pub fn connect(url: impl Into<String>) -> Connect {
        Connect {
            url: url.into(),
            namespace: "default".to_owned(),
            options: StoreOptions::default(),
        }
    }
}

impl Connect {
    /// The namespace of the schedulers. Default `"default"`, as theirs.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Settings of the connection that are not in its URL.
    pub fn options(mut self, options: StoreOptions) -> Self {
        self.options = options;
        self
    }

    pub(crate) async fn open(self) -> Result<Control, Error> {
        if is_memory(&self.url) {
            return Err(Error::Argument {
                argument: "connect",
                message: "memory:// is a store inside one process: this process would see an empty one of its own. \
                          Give the URL of the store that the schedulers share, or use `Scheduler::control` inside \
                          their process"
                    .to_owned(),
            });
        }
        if is_missing_file(&self.url) {
            return Err(Error::Argument {
                argument: "connect",
                message: "there is no such file; a scheduler makes it when it starts. Look at the path: after sqlite:// \
                          it begins with a / from the root on"
                    .to_owned(),
            });
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let opened = open_store(&self.url, &self.namespace, &clock, &self.options).await;
        let first = opened.map_err(|error| Error::Connect(error.cause))?;
        let checked = first.preflight_for_control().await;
        checked.map_err(|error| Error::Connect(error.cause))?;
        // A caller that knows no number of buckets is refused with the number that is stored.
        let buckets = match first.inspect(&caller(0)?, &[]).await {
            Err(StoreError::OtherBuckets { found: 0, .. }) => {
                return Err(Error::EmptyNamespace {
                    namespace: self.namespace,
                });
            }
            Err(StoreError::OtherBuckets { found, .. }) => found,
            Err(error) => return Err(error.into()),
            Ok(_) => 1,
        };
        let stores = Bucket::all(buckets).map(|bucket| first.open(bucket));
        Control::of_stores(stores.collect())
    }
}

impl IntoFuture for Connect {
    type Output = Result<Control, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_not_shown() {
        let shown = format!("{:?}", Control::connect("redis://ann:secret@host"));
        assert!(
            shown.contains("default") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
