//! The provider of cryptography: the program's choice, and none of ours.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};

use crate::encryption::{encrypting_server, preflight, self_signed, verified};

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
#[tokio::test(flavor = "multi_thread")]
async fn the_program_chooses_its_cryptography_whenever_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    self_signed(folder.path(), &[]);
    let server = encrypting_server(folder.path());
    let url = verified(&server, "localhost", &folder.path().join("server.crt"));
    preflight(&url).await.unwrap();
    assert!(
        CryptoProvider::get_default().is_none(),
        "a connection installed a default"
    );

    let chosen = CryptoProvider {
        secure_random: &COUNTED,
        ..ring::default_provider()
    };
    chosen.install_default().expect("the program is the first");
    preflight(&url).await.unwrap();
    assert_ne!(
        COUNTED.0.load(Ordering::Relaxed),
        0,
        "the program's provider is not used"
    );
}
