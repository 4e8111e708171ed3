//! The hosts of an address, one by one: which of them is tried first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The settings for each host, and the host that took writes last.
///
/// A host that accepts a connection and says nothing, as a primary that stands still, takes all the time of a request.
/// So a host is only first again when it has taken a connection: the next request begins with another one.
#[derive(Clone)]
pub(crate) struct Hosts {
    each: Arc<[Config]>,
    first: Arc<AtomicUsize>,
    /// The host that took the last connection.
    good: Arc<AtomicUsize>,
    /// When a host was left: connections that were made before are not used any more.
    left: Arc<Mutex<Option<Instant>>>,
}

impl Hosts {
    pub(crate) fn new(config: &Config) -> Self {
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        Hosts {
            each: (0..hosts).map(|host| only(config, host)).collect(),
            first: Arc::default(),
            good: Arc::default(),
            left: Arc::default(),
        }
    }

    /// The order for one attempt, each with its place. Until [`is_good`](Self::is_good), the next attempt begins with
    /// the second of them.
    pub(crate) fn in_turn(&self) -> Vec<(usize, Config)> {
        let hosts = self.each.len();
        let first = self.first.load(Ordering::Relaxed);
        let places = (0..hosts).map(|place| (first + place) % hosts);
        let in_turn = places
            .map(|place| (place, self.each[place].clone()))
            .collect();
        self.first
            .store((first + 1) % hosts.max(1), Ordering::Relaxed);
        in_turn
    }

    /// The host took a connection.
    pub(crate) fn is_good(&self, place: usize) {
        self.good.store(place, Ordering::Relaxed);
        self.first.store(place, Ordering::Relaxed);
    }

    /// Whether a connection that was made then may be used.
    pub(crate) fn may_be_used(&self, made: Instant) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.is_none_or(|left| made > left)
    }

    /// The host of a connection that was made then does not reply, or is not to be used. Of several requests that see
    /// this at the same time, the first counts.
    pub(crate) fn leave(&self, made: Instant) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.is_none_or(|left| made > left) {
            *left = Some(Instant::now());
            let next = (self.good.load(Ordering::Relaxed) + 1) % self.each.len().max(1);
            self.first.store(next, Ordering::Relaxed);
        }
    }
}

/// The settings for one of several hosts.
fn only(all: &Config, host: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(host) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        Some(Host::Unix(folder)) => drop(one.host_path(folder)),
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(host) {
        one.hostaddr(*address);
    }
    let ports = all.get_ports();
    if let Some(port) = ports.get(host).or(ports.first()) {
        one.port(*port);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(database) = all.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    if let Some(name) = all.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = all.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    // As with libpq: nothing is encrypted within a machine.
    let is_socket = matches!(all.get_hosts().get(host), Some(Host::Unix(_)));
    let mode = match is_socket {
        true => SslMode::Disable,
        false => all.get_ssl_mode(),
    };
    one.ssl_mode(mode)
        .ssl_negotiation(all.get_ssl_negotiation())
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding())
        .load_balance_hosts(all.get_load_balance_hosts());
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn hosts(url: &str) -> Hosts {
        Hosts::new(&Address::new(url, &|_| None).unwrap().config)
    }

    #[test]
    fn each_host_has_the_settings_of_all() {
        let url = "postgres://ann:pw@a:1,b:2/app?options=-cgeqo%3Doff&keepalives_idle=7&keepalives_interval=8&keepalives_count=9&connect_timeout=3\
                   &tcp_user_timeout=9&channel_binding=disable&application_name=x&load_balance_hosts=random";
        let address = Address::new(url, &|_| None).unwrap();
        for (place, port) in [(0, 1), (1, 2)] {
            let mut one = only(&address.config, place);
            assert_eq!(one.get_hosts(), &address.config.get_hosts()[place..=place]);
            assert_eq!(one.get_ports(), [port]);
            // With the other host it is the whole again.
            let mut rest = Config::new();
            std::mem::swap(&mut rest, &mut one);
            let mut all = address.config.clone();
            for config in [&mut rest, &mut all] {
                config.password("pw");
            }
            let text = |config: &Config| {
                let text = format!("{config:?}");
                let (before, after) = text.split_once("host: ").unwrap();
                let (_, after) = after.split_once("connect_timeout").unwrap();
                format!("{before}{after}")
            };
            assert_eq!(text(&rest), text(&all));
        }
    }

    #[test]
    fn one_that_says_nothing_is_not_first_again() {
        let hosts = hosts("postgres://a,b,c/app");
        let places = || -> Vec<usize> { hosts.in_turn().iter().map(|(place, _)| *place).collect() };
        assert_eq!(places(), [0, 1, 2]);
        // The attempt ended with its first host.
        assert_eq!(places(), [1, 2, 0]);
        hosts.is_good(1);
        assert_eq!(places(), [1, 2, 0]);
        hosts.is_good(1);
        assert_eq!(places(), [1, 2, 0]);
    }

    #[test]
    fn one_that_is_left_comes_last_and_its_connections_are_not_used() {
        let hosts = hosts("postgres://a,b,c/app");
        let places = || -> Vec<usize> { hosts.in_turn().iter().map(|(place, _)| *place).collect() };
        let (one, other) = (Instant::now(), Instant::now());
        hosts.is_good(1);
        assert!(hosts.may_be_used(one));
        hosts.leave(one);
        assert!(!hosts.may_be_used(one) && !hosts.may_be_used(other));
        assert_eq!(places(), [2, 0, 1]);
        hosts.is_good(2);
        // It was made before, at the host that was left.
        hosts.leave(other);
        assert_eq!(places(), [2, 0, 1]);
        hosts.leave(Instant::now());
        assert_eq!(places(), [0, 1, 2]);
    }
}
