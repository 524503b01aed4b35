//! Amazon ECR: tokens, new repositories and lists of images. The only file that names the AWS SDK.
//!
//! Nothing is built, read or asked before the first token is needed: a start that needs none pays nothing.

use std::collections::BTreeMap;
use std::sync::Mutex as StdMutex;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::{ImageScanningConfiguration, ImageTagMutability};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use tokio::sync::Mutex;

use super::credentials::Credentials;
use super::registry::{Failure, reasons};

/// A token is not used in the last minutes of its twelve hours, so that none expires on its way.
const RESERVE: Duration = Duration::from_mins(5);

/// Tries of one call. ECR gives 20 tokens a second to an account and region: many environments that start at once are told to
/// come again, which the SDK does with a growing and random delay.
const TRIES: u32 = 10;

/// The hosts that take ECR's credentials, and the tokens that were given for them.
#[derive(Debug)]
pub(super) struct Ecr {
    more_hosts: Vec<String>,
    places: StdMutex<BTreeMap<Place, Arc<Mutex<Option<Token>>>>>,
}

/// Where a registry is. Both come from the reference, not from the environment; a host that does not say them (one of
/// `TWOFOLD_ECR_HOSTS`) has the environment's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    account: Option<String>,
    region: Option<String>,
}

#[derive(Clone, Debug)]
struct Token {
    credentials: Credentials,
    expires: SystemTime,
}

impl Place {
    /// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, its FIPS form, China's, and `ACCOUNT.dkr-ecr.REGION.on.aws`.
    fn of_host(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        let (region, end) = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
            .iter()
            .find_map(|service| rest.strip_prefix(service))?
            .split_once('.')?;
        let ours =
            ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws", "on.amazonwebservices.com.cn"];
        let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let plain = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (digits && plain && !region.is_empty() && ours.contains(&end))
            .then(|| Self { account: Some(account.to_owned()), region: Some(region.to_owned()) })
    }
}

impl Ecr {
    pub(super) fn new(more_hosts: Vec<String>) -> Self {
        Self { more_hosts, places: StdMutex::default() }
    }

    fn place(&self, host: &str) -> Option<Place> {
        Place::of_host(host).or_else(|| self.takes(host).then(Place::default))
    }

    fn takes(&self, host: &str) -> bool {
        self.more_hosts.iter().any(|other| other == host)
    }

    /// Whether a host takes ECR's credentials.
    pub(super) fn is_at(&self, host: &str) -> bool {
        self.place(host).is_some()
    }

    /// The credentials for a host. However many wait, one call is in flight; what it gave serves all of them, and whoever comes
    /// until shortly before it expires. `refused` are credentials that the registry did not take: they are not given again.
    pub(super) async fn credentials(
        &self,
        host: &str,
        refused: Option<&Credentials>,
    ) -> Result<Credentials, Failure> {
        let place = self.place(host).unwrap_or_default();
        let held = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(place.clone()).or_default())
        };
        let mut held = held.lock().await;
        if let Some(token) = &*held
            && refused != Some(&token.credentials)
            && SystemTime::now() + RESERVE < token.expires
        {
            return Ok(token.credentials.clone());
        }
        let token = token(&place).await?;
        let credentials = token.credentials.clone();
        *held = Some(token);
        Ok(credentials)
    }

    /// All images of a repository, the newest first.
    pub(super) async fn images(&self, host: &str, repository: &str) -> Result<Vec<Image>, Failure> {
        let place = self.place(host).unwrap_or_default();
        let call = client(&place).await?.describe_images().set_registry_id(place.account);
        let mut pages = call.repository_name(repository).into_paginator().items().send();
        let mut images = Vec::new();
        while let Some(image) = pages.next().await {
            let image = image.map_err(|error| failed("DescribeImages", &error))?;
            let mut tags = image.image_tags().to_vec();
            tags.sort_unstable();
            images.push(Image {
                digest: image.image_digest().unwrap_or_default().to_owned(),
                tags,
                size: image.image_size_in_bytes().and_then(|size| u64::try_from(size).ok()),
                pushed: image.image_pushed_at().map(aws_sdk_ecr::primitives::DateTime::secs),
            });
        }
        images.sort_by(|a, b| b.pushed.cmp(&a.pushed).then_with(|| a.digest.cmp(&b.digest)));
        Ok(images)
    }

    /// Makes a repository whose tags cannot be moved and whose images are scanned. One that is there already is left as it is.
    pub(super) async fn create_repository(&self, host: &str, repository: &str) -> Result<(), Failure> {
        let Some(place) = self.place(host) else {
            let reason = format!("{host} is no registry of ECR: make the repository with its own tools");
            return Err(Failure::Denied(reason));
        };
        let made = client(&place)
            .await?
            .create_repository()
            .set_registry_id(place.account)
            .repository_name(repository)
            .image_tag_mutability(ImageTagMutability::Immutable)
            .image_scanning_configuration(ImageScanningConfiguration::builder().scan_on_push(true).build())
            .send()
            .await;
        match made {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("RepositoryAlreadyExistsException") => Ok(()),
            Err(error) => Err(failed("CreateRepository", &error)),
        }
    }
}

/// An image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What pins it; empty where the registry does not list it.
    pub digest: String,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// Its size in bytes, where the registry lists it.
    pub size: Option<u64>,
    /// When it was pushed, in seconds since the Unix epoch, where the registry lists it.
    pub pushed: Option<i64>,
}

async fn client(place: &Place) -> Result<Client, Failure> {
    // The proxies that the environment names, as for blobs. Where credentials come from over the pod's or the machine's own link, at
    // addresses without TLS, is for NO_PROXY to say.
    let http = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(ProxyConfig::from_env())
            .build()
    });
    let retries = RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(Duration::from_millis(500))
        .with_max_backoff(Duration::from_secs(8));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_mins(1))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(retries)
        .timeout_config(timeouts);
    if let Some(region) = &place.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Failure::Denied("ECR: no region: set AWS_REGION".into()));
    }
    Ok(Client::new(&config))
}

async fn token(place: &Place) -> Result<Token, Failure> {
    let mut call = client(place).await?.get_authorization_token();
    if let Some(account) = &place.account {
        #[expect(
            deprecated,
            reason = "the account in the reference; without it the caller's own would be asked"
        )]
        {
            call = call.registry_ids(account);
        }
    }
    let answer = call.send().await.map_err(|error| failed("GetAuthorizationToken", &error))?;
    let data = answer.authorization_data().first();
    let credentials = data
        .and_then(|data| data.authorization_token())
        .and_then(Credentials::of_basic)
        .ok_or_else(|| Failure::Broken("ECR: GetAuthorizationToken: the answer holds no token".into()))?;
    let expires = data
        .and_then(|data| data.expires_at())
        .and_then(|at| SystemTime::try_from(*at).ok())
        .unwrap_or_else(|| SystemTime::now() + Duration::from_hours(1));
    Ok(Token { credentials, expires })
}

/// Why a call failed for good: what may pass, the SDK has tried again already.
fn failed<E>(call: &str, error: &SdkError<E>) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let said = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => reasons(error),
    };
    let reason = format!("ECR: {call}: {said}");
    match error {
        SdkError::DispatchFailure(_) if said.contains("certificate") => Failure::Broken(reason),
        // Of another kind is a connection that broke, which the SDK calls worth another try; and that there are no credentials,
        // which it does not.
        SdkError::DispatchFailure(failure)
            if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() =>
        {
            Failure::Unreachable(reason)
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Failure::Unreachable(reason),
        SdkError::ServiceError(answer) => match error.code() {
            Some("RepositoryNotFoundException") => Failure::Absent(reason),
            Some("ThrottlingException") => Failure::Unreachable(reason),
            _ if answer.raw().status().is_server_error() => Failure::Unreachable(reason),
            _ => Failure::Denied(reason),
        },
        _ => Failure::Denied(reason),
    }
}

#[cfg(test)]
mod tests {
    use aws_config::retry::ErrorKind;
    use aws_sdk_ecr::config::http::HttpResponse;
    use aws_sdk_ecr::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_ecr::operation::describe_images::DescribeImagesError;

    use super::*;

    type Error = SdkError<DescribeImagesError>;

    #[test]
    fn what_answers_nothing_is_unreachable_and_what_refuses_denies() {
        let kind = |error: Error| match failed("Call", &error) {
            Failure::Unreachable(reason) => ("unreachable", reason),
            Failure::Denied(reason) => ("denied", reason),
            Failure::Absent(reason) => ("absent", reason),
            Failure::Broken(reason) => ("broken", reason),
            other => panic!("{other:?}"),
        };
        let said = |status: u16, code: &str| {
            let answer = HttpResponse::new(status.try_into().unwrap(), "".into());
            let metadata = ErrorMetadata::builder().code(code).message("why").build();
            Error::service_error(DescribeImagesError::generic(metadata), answer)
        };
        let io = |reason: &str| Error::dispatch_failure(ConnectorError::io(reason.into()));
        let other = |reason: &str, kind| Error::dispatch_failure(ConnectorError::other(reason.into(), kind));
        for (error, wanted, reason) in [
            (io("refused"), "unreachable", "io error: refused"),
            (Error::dispatch_failure(ConnectorError::timeout("late".into())), "unreachable", "timeout: late"),
            (Error::timeout_error("late"), "unreachable", "late"),
            (io("invalid peer certificate"), "broken", "io error: invalid peer certificate"),
            (other("closed", Some(ErrorKind::TransientError)), "unreachable", "other: closed"),
            (other("no credentials in\nchain", None), "denied", "other: no credentials in\nchain"),
            (said(400, "ThrottlingException"), "unreachable", "ThrottlingException: why"),
            (said(500, "ServerException"), "unreachable", "ServerException: why"),
            (said(400, "AccessDeniedException"), "denied", "AccessDeniedException: why"),
            (said(400, "RepositoryNotFoundException"), "absent", "RepositoryNotFoundException: why"),
        ] {
            let (kind, told) = kind(error);
            assert_eq!(kind, wanted, "{told}");
            assert_eq!(told, format!("ECR: Call: {reason}"));
        }
    }

    #[test]
    fn the_account_and_the_region_come_from_the_host() {
        let place = |host| Place::of_host(host).map(|place| (place.account.unwrap(), place.region.unwrap()));
        for (host, region) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("123456789012.dkr-ecr.us-west-2.on.aws", "us-west-2"),
        ] {
            assert_eq!(place(host), Some(("123456789012".to_owned(), region.to_owned())), "{host}");
        }
        for host in [
            "public.ecr.aws",
            "dkr.ecr.eu-central-1.amazonaws.com",
            "12345678901.dkr.ecr.eu-central-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.a/b.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "127.0.0.1:5000",
        ] {
            assert_eq!(place(host), None, "{host}");
        }
        let ecr = Ecr::new(vec!["127.0.0.1:5000".into()]);
        assert!(ecr.is_at("127.0.0.1:5000") && !ecr.is_at("127.0.0.1:5001"));
    }
}
