//! What pages follow, and the digest of its state. A page says which state it shows.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use futures_util::future::join4;
use scheduled_one_control::{AlertsNow, Control, Error, JobGlance};

use crate::text::encoded;

/// What a stream follows in place of a job: what alerts fire, the nodes and stores, and who asked for what. No job has
/// such a name: they are those of internal ones.
pub(super) const ALERTS: &str = "$alerts";
pub(super) const CLUSTER: &str = "$cluster";
pub(super) const TRAIL: &str = "$trail";

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The query of the events for a page that shows these jobs in this state. What happens between the page and its
/// stream is another state, so it is no loss.
pub(crate) fn follow(glances: &[JobGlance]) -> String {
    let names: Vec<String> = glances.iter().map(|glance| encoded(&glance.job)).collect();
    let seen = state(glances.iter().map(|glance| Some(digest(glance))));
    format!("?jobs={}&seen={seen}", names.join(","))
}

/// The query of the events for the page of alerts. The revision says nothing of jobs that the visitor may not see.
pub(crate) fn follow_alerts(alerts: Option<&AlertsNow>) -> String {
    let seen = state([alerts.map(digest_of_alerts)].into_iter());
    format!("?jobs={}&seen={seen}", encoded(ALERTS))
}

fn digest_of_alerts(alerts: &AlertsNow) -> u64 {
    digest(&(alerts.revision, alerts.is_evaluated))
}

/// What the page of the cluster shows, without the clocks of the stores.
async fn digest_of_cluster(control: &Control) -> Result<u64, Error> {
    let mut hasher = DefaultHasher::new();
    for node in control.living_nodes().await? {
        (node.name, node.identity, node.jobs, node.labels).hash(&mut hasher);
        (node.versions, node.protocol, node.clock_offset_ms).hash(&mut hasher);
    }
    for bucket in control.buckets().await? {
        let quarantine = (bucket.quarantine_from_ms, bucket.quarantine_until_ms);
        (bucket.bucket, bucket.serving, quarantine, bucket.nodes).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// The newest entry.
async fn digest_of_trail(control: &Control) -> Result<u64, Error> {
    let newest = control.trail().limit(1).await?;
    Ok(digest(&newest.cursor))
}

/// The query of the events for the page of the cluster.
pub(crate) async fn follow_cluster(control: &Control) -> Result<String, Error> {
    let seen = state([Some(digest_of_cluster(control).await?)].into_iter());
    Ok(format!("?jobs={}&seen={seen}", encoded(CLUSTER)))
}

/// The query of the events for the page of the trail.
pub(crate) async fn follow_trail(control: &Control) -> Result<String, Error> {
    let seen = state([Some(digest_of_trail(control).await?)].into_iter());
    Ok(format!("?jobs={}&seen={seen}", encoded(TRAIL)))
}

/// The digests of what is followed: jobs, and all else by its name. What the store does not show has none.
pub(super) async fn digests(
    control: &Control,
    mut followed: BTreeSet<String>,
) -> BTreeMap<String, u64> {
    let mut takes = |what: &str| followed.remove(what);
    let (alerts, cluster, trail) = (takes(ALERTS), takes(CLUSTER), takes(TRAIL));
    let jobs: Vec<String> = followed.into_iter().collect();
    let alerts = async {
        match alerts {
            true => Some(digest_of_alerts(&control.alerts().await.ok()??)),
            false => None,
        }
    };
    let cluster = async {
        match cluster {
            true => digest_of_cluster(control).await.ok(),
            false => None,
        }
    };
    let trail = async {
        match trail {
            true => digest_of_trail(control).await.ok(),
            false => None,
        }
    };
    let glances = async {
        match jobs.is_empty() {
            true => Vec::new(),
            false => control.glance(&jobs).await.unwrap_or_default(),
        }
    };
    // At once: a store that is away is waited for once.
    let (alerts, cluster, trail, glances) = join4(alerts, cluster, trail, glances).await;
    let of_jobs = jobs.iter().cloned().zip(glances.iter().map(digest));
    let others = [(ALERTS, alerts), (CLUSTER, cluster), (TRAIL, trail)];
    let others = others.map(|(what, digest)| Some((what.to_owned(), digest?)));
    of_jobs.chain(others.into_iter().flatten()).collect()
}

/// The state of jobs, in the order in which the page names them.
pub(super) fn state(digests: impl Iterator<Item = Option<u64>>) -> u64 {
    let digests: Vec<Option<u64>> = digests.collect();
    digest(&digests)
}
