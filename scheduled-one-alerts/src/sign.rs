//! Signatures and digests.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::hmac;

/// What begins a secret of Standard Webhooks.
const PREFIX: &str = "whsec_";

/// HMAC-SHA256, in base64.
pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    BASE64_STANDARD.encode(hmac::sign(&key, text))
}

/// The key in a secret of Standard Webhooks: 24 to 64 bytes.
pub(crate) fn webhook_key(secret: &str) -> Result<Vec<u8>, &'static str> {
    let encoded = secret
        .strip_prefix(PREFIX)
        .ok_or("begins not with `whsec_`: make one by `echo whsec_$(openssl rand -base64 32)`")?;
    let key = BASE64_STANDARD.decode(encoded).map_err(
        |_| "has no base64 behind `whsec_`: make one by `echo whsec_$(openssl rand -base64 32)`",
    )?;
    match key.len() {
        24..=64 => Ok(key),
        _ => Err(
            "has fewer than 24 or more than 64 bytes: make one by `echo whsec_$(openssl rand -base64 32)`",
        ),
    }
}

/// A UUID of version 5 (RFC 9562, section 5.5): the same for the same name.
pub(crate) fn uuid_v5(namespace: [u8; 16], name: &str) -> String {
    let text = [&namespace, name.as_bytes()].concat();
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &text);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference libraries of Standard Webhooks.
    #[test]
    fn a_webhook_is_signed_as_the_specification_says() {
        let key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let text = br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        let signature = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(hmac_sha256(&key, text), signature);
    }

    #[test]
    fn secrets_of_another_form_are_refused() {
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%", "whsec_YWJj"] {
            assert!(webhook_key(secret).is_err(), "{secret}");
        }
    }

    /// RFC 9562, appendix A.4: `www.example.com` in the namespace of DNS.
    #[test]
    fn a_uuid_is_that_of_the_rfc() {
        let dns = 0x6ba7b810_9dad_11d1_80b4_00c04fd430c8_u128.to_be_bytes();
        let uuid = uuid_v5(dns, "www.example.com");
        assert_eq!(uuid, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    }
}
