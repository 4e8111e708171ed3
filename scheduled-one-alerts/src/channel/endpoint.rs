//! What the channels over HTTP have in common: a name, an address, and how to reach it.

use hyper::{Method, Uri};

use super::DeliveryError;
use crate::http::{Http, Reply, Request};
use crate::secret::{Secret, SecretError};

#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    address: Secret,
    /// What the address is, for errors.
    what: &'static str,
    /// What messages are signed with, if they are, and what that is, for errors.
    signer: Option<(Secret, &'static str)>,
    pub(crate) http: Http,
}

impl Endpoint {
    pub(crate) fn new(name: &str, what: &'static str, address: Secret) -> Self {
        Endpoint {
            name: name.to_owned(),
            address,
            what,
            signer: None,
            http: Http::new(),
        }
    }

    pub(crate) async fn digest(&self) -> String {
        self.address.digest().await
    }

    /// The same endpoint at another address.
    pub(crate) fn at(mut self, address: Secret) -> Self {
        self.address = address;
        self
    }

    pub(crate) async fn uri(&self) -> Result<Uri, SecretError> {
        self.address.read_uri(self.what).await
    }

    /// The same endpoint, with a secret that messages are signed with.
    pub(crate) fn signed_with(mut self, secret: Secret, what: &'static str) -> Self {
        self.signer = Some((secret, what));
        self
    }

    /// The secret that messages are signed with, if they are.
    pub(crate) async fn signing_secret(&self) -> Result<Option<String>, SecretError> {
        match &self.signer {
            Some((secret, what)) => secret.read(what).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads the address and the secret.
    pub(crate) async fn check(&self) -> Result<(), SecretError> {
        self.uri().await?;
        self.signing_secret().await.map(drop)
    }

    pub(crate) async fn post(
        &self,
        uri: &Uri,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Reply, DeliveryError> {
        let request = Request {
            method: Method::POST,
            uri,
            content_type: "application/json",
            headers,
            body,
        };
        self.http.send(request).await
    }
}
