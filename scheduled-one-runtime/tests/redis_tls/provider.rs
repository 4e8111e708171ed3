//! The provider of cryptography: the program's choice, and none of ours.

use std::sync::atomic::{AtomicUsize, Ordering};

use scheduled_one_redis::{ConnectOptions, RedisStore};
use tokio_rustls::rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};

use crate::Fixture;

/// The random numbers of ring, counted.
#[derive(Debug)]
struct Counted(AtomicUsize);

impl SecureRandom for Counted {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ring::default_provider().secure_random.fill(buffer)
    }
}

static COUNTED: Counted = Counted(AtomicUsize::new(0));

/// No other test of this program installs a default.
#[tokio::test]
async fn the_program_chooses_its_cryptography_whenever_it_likes() {
    let fixture = Fixture::start();
    let options = ConnectOptions::default().tls_ca_file(&fixture.tls.ca);
    let url = fixture.url("localhost");
    // Nor does a start that fails: this authority has signed another certificate.
    let other = Fixture::start();
    let wrong = ConnectOptions::default().tls_ca_file(&other.tls.ca);
    let refused = RedisStore::connect_with(&url, "test", &wrong).await;
    assert!(refused.is_err());
    assert!(CryptoProvider::get_default().is_none());
    RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap();
    assert!(
        CryptoProvider::get_default().is_none(),
        "a connection installed a default"
    );

    let chosen = CryptoProvider {
        secure_random: &COUNTED,
        ..ring::default_provider()
    };
    chosen.install_default().expect("the program is the first");
    RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap();
    assert_ne!(
        COUNTED.0.load(Ordering::Relaxed),
        0,
        "the program's provider is not used"
    );
}
