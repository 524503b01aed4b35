//! Credentials that Docker's tools keep: its `config.json`, and the programs that it names.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// A helper that takes longer waits for somebody who is not there.
const HELPER_PATIENCE: Duration = Duration::from_secs(10);

/// Far more than any answer of a helper takes.
const ANSWER_LIMIT: u64 = 1 << 20;

/// A name and what proves it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    user: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads `USER:PASSWORD`, in base64.
    pub(super) fn of_basic(encoded: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        // Old writers of config.json pad with zeros.
        let password = password.trim_end_matches('\0');
        (!user.is_empty()).then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }

    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// What Docker's configuration has for a host; nothing where there is no file or no entry.
///
/// A helper for the host (`credHelpers`) comes first, then an entry (`auths`), then the helper for all (`credsStore`). Blocks
/// while a helper runs.
pub(super) fn of_docker(config: &Path, host: &str) -> Result<Option<Credentials>, String> {
    let text = match fs::read(config) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", config.display())),
    };
    let document: Value = serde_json::from_slice(&text)
        .map_err(|error| format!("{} is not JSON: {error}", config.display()))?;
    // Docker writes its own registry under an address of old.
    let keys = match host {
        "registry-1.docker.io" => vec!["https://index.docker.io/v1/".to_owned(), "docker.io".to_owned()],
        _ => vec![host.to_owned(), format!("https://{host}"), format!("https://{host}/")],
    };
    let word = |value: &Value| value.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
    for key in &keys {
        if let Some(helper) = document.pointer("/credHelpers").and_then(|all| word(all.get(key)?)) {
            return ask(&helper, key);
        }
        let entry = document.pointer("/auths").and_then(|all| all.get(key));
        if let Some(encoded) = entry.and_then(|entry| word(entry.get("auth")?)) {
            let found = Credentials::of_basic(&encoded);
            let unreadable =
                || format!("{}: the entry of {key} is no USER:PASSWORD in base64", config.display());
            return found.map(Some).ok_or_else(unreadable);
        }
    }
    match (document.get("credsStore").and_then(word), keys.first()) {
        (Some(helper), Some(key)) => ask(&helper, key),
        _ => Ok(None),
    }
}

/// Asks `docker-credential-NAME`, as Docker does: the host on its stdin, the answer as JSON on its stdout.
fn ask(name: &str, host: &str) -> Result<Option<Credentials>, String> {
    let program = format!("docker-credential-{name}");
    let failed = |reason: &dyn fmt::Display| format!("{program}: {reason}");
    if name.contains('/') {
        return Err(failed(&"a helper is a name, not a path"));
    }
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its question answers all the same.
        let _ = writeln!(stdin, "{host}");
    }
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        stdout.map(|stdout| stdout.take(ANSWER_LIMIT).read_to_end(&mut answer));
        answer
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| failed(&error))? {
            Some(status) => break status,
            None if began.elapsed() > HELPER_PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(&format_args!("no answer within {HELPER_PATIENCE:?}")));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let answer = reader.join().unwrap_or_default();
    if !status.success() {
        let said = String::from_utf8_lossy(&answer);
        // The helpers' agreed way to say that they know nothing of this host.
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(&status));
    }
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| failed(&"its answer is not JSON"))?;
    let field = |key| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user, password) = (field("Username"), field("Secret"));
    match user.as_str() {
        "" => Ok(None),
        "<token>" => {
            Err(failed(&"it gives an identity token, which is not supported: log in with a password"))
        }
        _ => Ok(Some(Credentials { user, password })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, host: &str) -> Result<Option<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, config).unwrap();
        let found = of_docker(&path, host);
        let told = |reason: String| reason.replace(&folder.path().display().to_string(), "DIR");
        found.map(|found| found.map(|it| format!("{}:{}", it.user, it.password))).map_err(told)
    }

    #[test]
    fn an_entry_is_found_by_its_host() {
        let config = r#"{"auths":{"a.b:5000":{"auth":"bWU6czpl"},"https://c.d":{"auth":"bWU6AA=="},
            "https://index.docker.io/v1/":{"auth":"aHViOng="},"empty.e":{},"bad.e":{"auth":"!"}}}"#;
        assert_eq!(found(config, "a.b:5000"), Ok(Some("me:s:e".into())));
        assert_eq!(found(config, "c.d"), Ok(Some("me:".into())));
        assert_eq!(found(config, "registry-1.docker.io"), Ok(Some("hub:x".into())));
        assert_eq!(found(config, "a.b"), Ok(None));
        assert_eq!(found(config, "empty.e"), Ok(None));
        let refused = "DIR/config.json: the entry of bad.e is no USER:PASSWORD in base64";
        assert_eq!(found(config, "bad.e"), Err(refused.into()));
        assert!(found("{", "a.b").unwrap_err().starts_with("DIR/config.json is not JSON: "));
        assert_eq!(of_docker(Path::new("/nowhere/config.json"), "a.b"), Ok(None));
    }

    #[test]
    fn a_helper_that_is_not_there_is_told_by_name() {
        let config = r#"{"credHelpers":{"a.b":"twofold-none"},"credsStore":"../x"}"#;
        let reason = found(config, "a.b").unwrap_err();
        assert!(reason.starts_with("docker-credential-twofold-none: "), "{reason}");
        let refused = "docker-credential-../x: a helper is a name, not a path";
        assert_eq!(found(config, "c.d"), Err(refused.into()));
    }

    #[test]
    fn a_secret_stays_one() {
        let credentials = Credentials::of_basic("bWU6c2VjcmV0").unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials { .. }");
        assert_eq!(credentials.basic(), "Basic bWU6c2VjcmV0");
    }
}
