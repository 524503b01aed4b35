//! What goes wrong between here and a registry, and what is tried again.

use std::error::Error;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::store::cache::Fault;
use crate::store::package::excerpt;

/// Tries after the first, as long as nothing gets better: some eight seconds in all, for a registry that is started again.
pub(super) const RETRIES: u32 = 6;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// A registry may ask for more patience than that, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// As much of an error's body as is read.
const BODY_LIMIT: usize = 8 << 10;

/// Why a registry did not give or take something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Failure {
    /// Another try may succeed, at the earliest after this time.
    Passing(String, Option<Duration>),
    /// Bytes come, but hardly.
    Slow(String),
    /// Nobody answers, however often whoever says so has tried.
    Unreachable(String),
    /// The registry does not let this process in.
    Denied(String),
    /// It has no such thing.
    Absent(String),
    /// It has another thing than was promised, or answers as no registry does.
    Broken(String),
    /// It is not the registry's fault: the cache cannot be used.
    Cache(String),
}

impl Failure {
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing(reason.into(), None)
    }

    pub(in crate::store) fn reason(&self) -> &str {
        match self {
            Self::Passing(reason, _)
            | Self::Slow(reason)
            | Self::Unreachable(reason)
            | Self::Denied(reason)
            | Self::Absent(reason)
            | Self::Broken(reason)
            | Self::Cache(reason) => reason,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unusable(reason) | Fault::Contents(reason) => {
                Self::Cache(format!("cannot be kept: {reason}"))
            }
            Fault::Absent => Self::Cache("cannot be kept: what was just written is gone".into()),
            Fault::Corrupt => Self::Cache("cannot be kept: what was just written has changed".into()),
        }
    }
}

/// Tries again, after a growing and random delay, what may succeed then.
pub(super) async fn retry<T>(attempt: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    retry_after(delay, attempt).await
}

async fn retry_after<T>(
    delay: impl Fn(u32, Option<Duration>) -> Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(Failure::Passing(reason, after)) if tries < RETRIES => {
                tracing::debug!(reason, tries, "tried again");
                sleep(delay(tries, after)).await;
                tries += 1;
            }
            Err(Failure::Passing(reason, _)) => {
                return Err(Failure::passing(format!("{reason} ({} tries)", tries + 1)));
            }
            ended => return ended,
        }
    }
}

/// Half of it fixed and half of it random, so that many that failed together do not come back together.
pub(super) fn delay(tries: u32, after: Option<Duration>) -> Duration {
    let grown = FIRST_DELAY.saturating_mul(1 << tries.min(8)).min(LONGEST_DELAY);
    let least = after.unwrap_or_default().min(LONGEST_WAIT).max(grown / 2);
    // The standard library's seed of hash maps: random, and good enough for this.
    let random = std::hash::RandomState::new().build_hasher().finish() % 1024;
    let random = u32::try_from(random).unwrap_or_default();
    least + (grown / 2).mul_f64(f64::from(random) / 1024.0)
}

/// A request that got no answer, or an answer that broke off.
pub(super) fn of_transport(error: &reqwest::Error) -> Failure {
    let reason = chain(error);
    // What a certificate or an address lacks now, it lacks in a second, too.
    if error.is_redirect() || error.is_builder() || reason.contains("certificate") {
        return Failure::Broken(reason);
    }
    Failure::passing(reason)
}

/// The innermost reasons, in short.
pub(super) fn chain(error: &dyn Error) -> String {
    excerpt(&reasons(error))
}

/// The innermost reasons are the ones that say something.
pub(in crate::store) fn reasons(error: &dyn Error) -> String {
    let mut reasons = Vec::new();
    let mut next = error.source();
    while let Some(inner) = next {
        reasons.push(inner.to_string());
        next = inner.source();
    }
    if reasons.is_empty() {
        reasons.push(error.to_string());
    }
    reasons.dedup();
    reasons.join(": ")
}

/// An answer that is no success, with what the registry says about it.
pub(super) async fn of_status(mut response: Response) -> Failure {
    let status = response.status();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend(chunk.iter().take(BODY_LIMIT - body.len()));
            if body.len() == BODY_LIMIT {
                break;
            }
        }
    };
    // What does not come soon is not worth waiting for.
    let _ = timeout(Duration::from_secs(2), read).await;
    let reason = match said(&body) {
        Some(said) => format!("the registry answers {}: {said}", status.as_u16()),
        None => format!("the registry answers {status}"),
    };
    match status.as_u16() {
        401 | 403 => Failure::Denied(reason),
        404 => Failure::Absent(reason),
        408 | 429 | 500 | 502 | 503 | 504 => Failure::Passing(reason, seconds.map(Duration::from_secs)),
        _ => Failure::Broken(reason),
    }
}

/// `CODE: MESSAGE` of the first error in a registry's answer.
fn said(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let first = document.get("errors")?.get(0)?;
    let field = |name| first.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = match (field("code"), field("message")) {
        ("", "") => return None,
        ("", text) | (text, "") => text.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    Some(excerpt(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_differ_and_obey_the_registry() {
        let half = |tries: u32| (FIRST_DELAY * 2_u32.pow(tries)).min(LONGEST_DELAY) / 2;
        for tries in 0..RETRIES {
            let drawn: Vec<_> = (0..50).map(|_| delay(tries, None)).collect();
            assert!(drawn.iter().all(|delay| (half(tries)..=half(tries) * 2).contains(delay)), "{drawn:?}");
            assert!(drawn.iter().any(|delay| *delay != drawn[0]));
        }
        assert!(delay(0, Some(Duration::from_secs(3))) >= Duration::from_secs(3));
        assert!(delay(0, Some(Duration::from_hours(1))) <= LONGEST_WAIT + FIRST_DELAY);
    }

    #[test]
    fn an_answers_first_error_is_said_in_short() {
        let long = format!(r#"{{"errors":[{{"code":"X","message":"{}"}}]}}"#, "y".repeat(1000));
        assert_eq!(said(long.as_bytes()).unwrap().chars().count(), 201);
        let both = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no\nsuch"},{"code":"B"}]}"#;
        assert_eq!(said(both).unwrap(), "NAME_UNKNOWN: no such");
        assert_eq!(said(br#"{"errors":[{"code":"DENIED"}]}"#).unwrap(), "DENIED");
        for none in [&b"<html>"[..], b"{}", br#"{"errors":[]}"#, br#"{"errors":[{}]}"#] {
            assert_eq!(said(none), None);
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_nothing_else() {
        let at_once = |_, _| Duration::ZERO;
        let mut tries = 0;
        let ended: Result<(), _> = retry_after(at_once, async || {
            tries += 1;
            Err(Failure::passing("busy"))
        })
        .await;
        assert_eq!((tries, ended), (RETRIES + 1, Err(Failure::passing("busy (7 tries)"))));
        let at_once = |_, _| Duration::ZERO;
        let mut tries = 0;
        let ended: Result<(), _> = retry_after(at_once, async || {
            tries += 1;
            Err(Failure::Absent("gone".into()))
        })
        .await;
        assert_eq!((tries, ended), (1, Err(Failure::Absent("gone".into()))));
    }
}
