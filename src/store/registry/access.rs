//! What opens a repository: nothing, a name and a password, or a token that a third party gives for them.

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::failure::{of_status, of_transport};
use super::{Action, Connections, Failure, HEAD_PATIENCE, document};
use crate::store::credentials::{self, Credentials};
use crate::store::ecr::Ecr;
use crate::store::package::excerpt;

/// Far more than any token takes.
const TOKEN_LIMIT: usize = 1 << 20;

/// Where credentials come from.
#[derive(Debug)]
pub(in crate::store) struct Login {
    pub(in crate::store) ecr: Ecr,
    /// Docker's `config.json`.
    pub(in crate::store) docker: Option<PathBuf>,
}

impl Login {
    async fn credentials(
        &self,
        host: &str,
        refused: Option<&Credentials>,
    ) -> Result<Option<Credentials>, Failure> {
        if self.ecr.is_at(host) {
            return self.ecr.credentials(host, refused).await.map(Some);
        }
        let Some(docker) = self.docker.clone() else { return Ok(None) };
        let host = host.to_owned();
        let found = tokio::task::spawn_blocking(move || credentials::of_docker(&docker, &host)).await;
        found
            .map_err(|_| Failure::Denied("the credentials could not be read".into()))?
            .map_err(Failure::Denied)
    }
}

/// The key to one repository, shared by all requests to it.
#[derive(Debug)]
pub(super) struct Access {
    host: String,
    scopes: Vec<String>,
    login: Arc<Login>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    key: Key,
    credentials: Option<Credentials>,
}

/// The value of an `Authorization` header, and which one in a row it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Key {
    pub(super) value: Option<HeaderValue>,
    number: u64,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Access {
    pub(super) fn new(host: &str, repository: &str, action: Action, login: Arc<Login>) -> Self {
        let scope = |repository: &str, actions: &str| format!("repository:{repository}:{actions}");
        let scopes = match action {
            Action::Pull => vec![scope(repository, "pull")],
            Action::Push { from: None } => vec![scope(repository, "pull,push")],
            // A registry mounts only what the token may read.
            Action::Push { from: Some(other) } => {
                vec![scope(repository, "pull,push"), scope(other, "pull")]
            }
        };
        Self { host: host.to_owned(), scopes, login, held: Mutex::default() }
    }

    /// The key to use now. Most registries are asked without one first, and say what they want; ECR always wants the same.
    pub(super) async fn key(&self, _: &Connections) -> Result<Key, Failure> {
        let mut held = self.held.lock().await;
        if held.key.number == 0 && self.login.ecr.is_at(&self.host) {
            let credentials = self.login.credentials(&self.host, None).await?;
            held.turn(credentials.as_ref().map(Credentials::basic))?;
            held.credentials = credentials;
        }
        Ok(held.key.clone())
    }

    /// Gets a new key after one was refused; whether there is a reason to try again. Who comes second finds it done.
    pub(super) async fn renew(
        &self,
        connections: &Connections,
        refused: &Key,
        headers: &HeaderMap,
    ) -> Result<bool, Failure> {
        let mut held = self.held.lock().await;
        if held.key.number != refused.number {
            return Ok(true);
        }
        if self.login.ecr.is_at(&self.host) {
            let old = held.credentials.take();
            let credentials = self.login.credentials(&self.host, old.as_ref()).await?;
            held.turn(credentials.as_ref().map(Credentials::basic))?;
            held.credentials = credentials;
            return Ok(true);
        }
        let Some(challenge) = Challenge::of(headers) else {
            // Without a challenge there is only the one that comes when no key is shown.
            let had = held.key.value.is_some();
            held.turn(None)?;
            return Ok(had);
        };
        let credentials = self.login.credentials(&self.host, None).await?;
        let value = match challenge {
            Challenge::Basic => match credentials {
                // The same again would be refused again.
                Some(credentials) if Some(&credentials) != held.credentials.as_ref() => {
                    let value = credentials.basic();
                    held.credentials = Some(credentials);
                    value
                }
                _ => return Ok(false),
            },
            Challenge::Bearer { realm, service } => {
                // One try: whoever asked for the key tries all of it again.
                let token = self.token(connections, &realm, service.as_deref(), credentials.as_ref());
                format!("Bearer {}", token.await?)
            }
        };
        held.turn(Some(value))?;
        Ok(true)
    }

    async fn token(
        &self,
        connections: &Connections,
        realm: &str,
        service: Option<&str>,
        credentials: Option<&Credentials>,
    ) -> Result<String, Failure> {
        let broken = |reason: &str| {
            Failure::Broken(format!("the registry's token service {:?} {reason}", excerpt(realm)))
        };
        let mut url = Url::parse(realm).map_err(|_| broken("is no address"))?;
        if !connections.plain.allows_url(&url) {
            return Err(broken("speaks no TLS, and TWOFOLD_PLAIN_HTTP does not allow that"));
        }
        connections.check_trust(url.scheme())?;
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .extend_pairs(self.scopes.iter().map(|scope| ("scope", scope)));
        let mut request = connections.client.get(url);
        if let Some(credentials) = credentials {
            request = request.header(AUTHORIZATION, secret(&credentials.basic())?);
        }
        let response = timeout(HEAD_PATIENCE, request.send())
            .await
            .map_err(|_| Failure::passing("the token service does not answer"))?
            .map_err(|error| of_transport(&error))?;
        if !response.status().is_success() {
            return Err(of_status(response).await);
        }
        let bytes = document(response, TOKEN_LIMIT, "the token").await?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|_| broken("gives no token"))?;
        let given = token.token.or(token.access_token).filter(|token| !token.is_empty());
        given.ok_or_else(|| broken("gives no token"))
    }
}

impl Held {
    fn turn(&mut self, value: Option<String>) -> Result<(), Failure> {
        let value = value.map(|value| secret(&value)).transpose()?;
        self.key = Key { value, number: self.key.number + 1 };
        Ok(())
    }
}

fn secret(value: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Failure::Broken("the credentials hold characters that no header may".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        texts.filter_map(Self::read).max_by_key(|challenge| *challenge != Self::Basic)
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        while let Some((key, after)) = rest.split_once('=') {
            let (value, left) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match key.trim().trim_start_matches(',').trim() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                _ => {}
            }
            rest = left;
        }
        Some(Self::Bearer { realm: realm?, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
        };
        assert_eq!(
            Challenge::read(r#"Bearer realm="https://a/token",service="a=b, c",scope="repository:x:pull""#),
            bearer("https://a/token", Some("a=b, c"))
        );
        assert_eq!(Challenge::read("bearer realm=https://a"), bearer("https://a", None));
        assert_eq!(Challenge::read(r#"Basic realm="x""#), Some(Challenge::Basic));
        for none in ["", "Bearer", "Bearer service=\"a\"", "Bearer realm=\"a", "Negotiate x"] {
            assert_eq!(Challenge::read(none), None, "{none}");
        }
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"a\""));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"b\""));
        assert_eq!(Challenge::of(&headers), bearer("b", None));
    }

    #[test]
    fn what_opens_is_not_printed() {
        assert!(!format!("{:?}", secret("Basic c2VjcmV0").unwrap()).contains("c2VjcmV0"));
        assert!(secret("a\nb").is_err());
    }
}
