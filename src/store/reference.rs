//! References: where a package is, as it is written in settings and on the command line.

use std::fmt;
use std::path::PathBuf;

use super::{Digest, Error, ErrorKind};

const EXPECTED: &str =
    "expected embedded:NAME, dir:PATH or oci://HOST/REPOSITORY with :TAG or @sha256:DIGEST";

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `embedded:NAME`: a model within the binary.
    Embedded(String),
    /// `dir:PATH`: a folder that holds one model or several.
    Dir(PathBuf),
    /// `oci://HOST/REPOSITORY:TAG` or `…@sha256:DIGEST`: an artifact in a registry.
    Oci(Artifact),
}

impl Reference {
    /// Reads one of the three forms.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| Err(Error::new(ErrorKind::Reference, text, reason));
        match text.split_once(':') {
            Some(("embedded", name)) if !name.is_empty() => Ok(Self::Embedded(name.to_owned())),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            Some(("oci", place)) => match place.strip_prefix("//").map(Artifact::parse) {
                Some(Ok(artifact)) => Ok(Self::Oci(artifact)),
                Some(Err(reason)) => refuse(&reason),
                None => refuse(EXPECTED),
            },
            _ => refuse(EXPECTED),
        }
    }

    /// The artifact that it points to; fails for what is in no registry.
    pub fn artifact(self) -> Result<Artifact, Error> {
        match self {
            Self::Oci(artifact) => Ok(artifact),
            Self::Embedded(_) | Self::Dir(_) => Err(Error::new(
                ErrorKind::Reference,
                self,
                "is in no registry: expected oci://HOST/REPOSITORY",
            )),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(name) => write!(f, "embedded:{name}"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::Oci(artifact) => artifact.fmt(f),
        }
    }
}

/// An artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Artifact {
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) tag: Option<String>,
    /// Where it is given, it alone counts; the tag is for people.
    pub(super) digest: Option<Digest>,
}

impl Artifact {
    /// Reads `HOST/REPOSITORY` with `:TAG`, `@sha256:DIGEST` or both, with or without `oci://` before it. Neither a host nor a
    /// tag is made up: what a reference points to should not depend on who reads it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("oci://").unwrap_or(text);
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => {
                let parsed = Digest::parse(digest).ok_or_else(|| {
                    format!("'{digest}' is no digest: expected sha256: and 64 digits 0-9a-f")
                })?;
                (named, Some(parsed))
            }
            None => (text, None),
        };
        let Some((host, path)) = named.split_once('/') else {
            return Err(format!("'{named}' names no repository: expected HOST/REPOSITORY"));
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_host(host) {
            return Err(format!("'{host}' is no host: expected a name with a dot, a port, or localhost"));
        }
        if !repository.split('/').all(is_component) || repository.len() > 255 {
            return Err(format!(
                "'{repository}' is no repository: expected lowercase letters and digits, with - _ . / between them"
            ));
        }
        match tag {
            Some(tag) if !is_tag(tag) => Err(format!(
                "'{tag}' is no tag: expected up to 128 letters, digits, _, - and . that begin with none of - and ."
            )),
            None if digest.is_none() => {
                Err("neither a tag nor a digest: expected :TAG or @sha256:DIGEST".into())
            }
            tag => Ok(Self {
                host: host.to_owned(),
                repository: repository.to_owned(),
                tag: tag.map(str::to_owned),
                digest,
            }),
        }
    }

    /// Reads `HOST/REPOSITORY` alone: all artifacts of a repository.
    pub fn parse_repository(text: &str) -> Result<Self, Error> {
        // Any digest makes it whole.
        let whole = Self::parse(&format!("{text}@{}", Digest::of(b"")));
        match whole {
            Ok(artifact) if artifact.tag.is_none() => Ok(Self { digest: None, ..artifact }),
            Ok(_) => Err(Error::new(ErrorKind::Reference, text, "expected HOST/REPOSITORY without a tag")),
            Err(reason) => Err(Error::new(ErrorKind::Reference, text, reason)),
        }
    }

    /// The digest, else the tag: the last part of a manifest's address.
    pub(super) fn pointer(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }

    /// The same repository at a digest.
    pub(super) fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// What a model is called that nothing else names.
    pub(super) fn last_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// `example.com`, `10.0.0.1:5000`, `[::1]:5000`, `registry:5000` or `localhost`. A bare word is the beginning of a repository
/// to some tools; here it would be a slip.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(plain)
                && (name.contains('.') || port.is_some() || name == "localhost")
        }
    };
    named && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_component(part: &str) -> bool {
    let alphanumeric = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    alphanumeric(part.bytes().next())
        && alphanumeric(part.bytes().next_back())
        && part.bytes().all(|b| alphanumeric(Some(b)) || matches!(b, b'-' | b'_' | b'.'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn artifacts_are_read_and_written_back() {
        for text in [
            "oci://123456789012.dkr.ecr.eu-central-1.amazonaws.com/models/iris:1.2",
            &format!("oci://ghcr.io/a/b-c/d__e.f@{DIGEST}"),
            &format!("oci://[::1]:5000/iris:v1@{DIGEST}"),
            "oci://localhost/iris:_x",
            "oci://registry:5000/iris:1",
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
            assert_eq!(Artifact::parse(&text["oci://".len()..]).unwrap().to_string(), text);
        }
        let artifact = Artifact::parse("127.0.0.1:5000/models/iris:2").unwrap();
        assert_eq!((artifact.host.as_str(), artifact.repository.as_str()), ("127.0.0.1:5000", "models/iris"));
        assert_eq!((artifact.pointer().as_str(), artifact.last_name()), ("2", "iris"));
        assert_eq!(artifact.at(Digest::of(b"")).pointer(), DIGEST);
    }

    #[test]
    fn what_is_none_says_what_was_expected() {
        for (text, reason) in [
            ("iris:1", "'iris:1' names no repository: expected HOST/REPOSITORY"),
            ("models/iris:1", "'models' is no host: expected a name with a dot, a port, or localhost"),
            ("a.b:0/iris:1", "'a.b:0' is no host: expected a name with a dot, a port, or localhost"),
            ("a b.c/iris:1", "'a b.c' is no host: expected a name with a dot, a port, or localhost"),
            ("u:p@a.b/iris:1", "'a.b/iris:1' is no digest: expected sha256: and 64 digits 0-9a-f"),
            ("a.b/iris", "neither a tag nor a digest: expected :TAG or @sha256:DIGEST"),
            (
                "a.b/iris:.x",
                "'.x' is no tag: expected up to 128 letters, digits, _, - and . that begin with none of - and .",
            ),
            ("a.b/iris@sha256:12", "'sha256:12' is no digest: expected sha256: and 64 digits 0-9a-f"),
        ] {
            assert_eq!(Artifact::parse(text).unwrap_err(), reason);
        }
        for repository in ["", "Iris", "a//b", "../a", "a/..", "a%2fb", "a?b", "-a"] {
            let reason = Artifact::parse(&format!("a.b/{repository}:1")).unwrap_err();
            assert!(reason.starts_with(&format!("'{repository}' is no repository")), "{reason}");
        }
    }
}
