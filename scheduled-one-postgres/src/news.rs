//! How many news there are of each bucket, for those who wait for more; and the channel of the notifications.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scheduled_one_protocol::hash;
use tokio::sync::watch;

/// The channel of a namespace, on which the tag of a bucket says that there is news of it. Names of channels have at
/// most 63 bytes, so this one has a hash; another namespace with the same one costs a look at a tag.
pub(crate) fn channel(schema: &str, namespace: &str) -> String {
    let digest = hash(&format!("{schema} {namespace}"), 0);
    format!("scheduled_one_{digest:016x}")
}

/// The number of news by the tag of the bucket.
#[derive(Debug, Default)]
pub(crate) struct News {
    by_bucket: Mutex<BTreeMap<String, watch::Sender<u64>>>,
}

impl News {
    /// The number of news of a bucket, and its changes.
    pub(crate) fn of(&self, bucket: &str) -> watch::Receiver<u64> {
        let mut known = self.known();
        let sender = known.entry(bucket.to_owned()).or_default();
        sender.subscribe()
    }

    /// There is news of this bucket.
    pub(crate) fn came(&self, bucket: &str) {
        if let Some(sender) = self.known().get(bucket) {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// There may be news of each bucket: nobody listened for a while.
    pub(crate) fn may_have_come(&self) {
        for sender in self.known().values() {
            sender.send_modify(|count| *count += 1);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<u64>>> {
        self.by_bucket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_of_each_schema_has_a_channel_that_may_be_named() {
        let (long, other) = ("s".repeat(63), "n".repeat(200));
        let names = [
            ("a", "b"),
            ("b", "a"),
            ("a", "c"),
            (long.as_str(), other.as_str()),
        ];
        let mut channels: Vec<String> = names
            .iter()
            .map(|(schema, namespace)| channel(schema, namespace))
            .collect();
        // With the process of the server behind it, too.
        let is_name = |name: &String| name.len() + "_4294967295".len() <= 63;
        assert!(channels.iter().all(is_name));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!(channels.iter().all(|name| name.bytes().all(plain)));
        channels.sort();
        channels.dedup();
        assert_eq!(channels.len(), names.len());
    }

    #[test]
    fn news_of_a_bucket_is_for_those_who_wait_for_it() {
        let news = News::default();
        let (first, second) = (news.of("jobs"), news.of("jobs+01"));
        news.came("jobs");
        news.came("others");
        assert_eq!((*first.borrow(), *second.borrow()), (1, 0));
        assert_eq!(*news.of("jobs").borrow(), 1);
        news.may_have_come();
        assert_eq!((*first.borrow(), *second.borrow()), (2, 1));
    }
}
