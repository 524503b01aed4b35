//! The command line of `twofold`, the tool beside the server.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{Packages, Refusal, variables};

/// Packs models, and moves them to and from registries.
#[derive(Clone, Debug, Parser)]
#[command(name = "twofold", version, about, args_override_self = true, disable_help_subcommand = true)]
struct Line {
    #[command(flatten)]
    packages: Packages,
    #[command(subcommand)]
    task: Task,
}

/// Settings of packages that mean something to a server only: what the tool pulls goes where it is told.
const OF_SERVERS: [&str; 2] = ["cache", "cache-limit"];

/// What the tool is to do, and what it needs for that.
#[derive(Clone, Debug)]
pub struct Command {
    /// The task and its arguments.
    pub task: Task,
    /// How registries are spoken to.
    pub packages: Packages,
}

/// One of the tool's tasks.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Task {
    /// Pack a model as an OCI layout: the same files are the same digest, on any machine and day
    Pack {
        /// A folder with model.onnx, or an ONNX file
        path: PathBuf,
        /// The layout's folder, which must not hold anything yet
        #[arg(short, long, value_name = "LAYOUT")]
        output: PathBuf,
        /// What to say about the package
        #[command(flatten)]
        labels: Labels,
    },
    /// Push a model to a registry, and print the reference that pins it
    Push {
        /// A folder with model.onnx, an ONNX file, or a layout that was packed
        path: PathBuf,
        /// HOST/REPOSITORY:TAG
        reference: String,
        /// Make the repository on ECR, with tags that cannot be moved and scans of what is pushed
        #[arg(long)]
        create: bool,
        /// Another repository of the registry: what it has is not sent again
        #[arg(long, value_name = "REPOSITORY")]
        from: Option<String>,
        /// What to say about the package
        #[command(flatten)]
        labels: Labels,
    },
    /// Pull a model into a folder that dir: serves, and print the reference that pins it
    Pull {
        /// HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:DIGEST
        reference: String,
        /// The folder, which must not hold anything yet
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
    },
    /// List a repository: digests, tags and sizes on ECR, the newest first; tags elsewhere
    List {
        /// HOST/REPOSITORY
        repository: String,
    },
}

/// Annotations of a package. None are made up: each one changes its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Labels {
    /// An annotation of the manifest, such as org.opencontainers.image.source=URL; changes the digest
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    annotations: Vec<(String, String)>,
}

impl Labels {
    /// By their keys; the last of a key holds.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.iter().cloned().collect()
    }
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

impl Command {
    /// Reads a command line (the program's name first) and an environment. Of the settings, the tool reads those of packages;
    /// the server's others mean nothing to it and are not looked at.
    pub fn parse<A, V>(args: A, vars: V) -> Result<Self, Refusal>
    where
        A: IntoIterator,
        A::Item: Into<OsString>,
        V: IntoIterator<Item = (String, String)>,
    {
        let vars: Vec<(String, String)> = vars.into_iter().collect();
        let settings = Packages::augment_args(clap::Command::new("twofold"));
        let settings = super::named(settings);
        let known = |name: &String| {
            settings
                .get_arguments()
                .filter_map(|arg| arg.get_long().filter(|flag| !OF_SERVERS.contains(flag)))
                .any(|flag| variables::of_flag(flag) == *name)
        };
        let ours: Vec<_> = vars.iter().filter(|(name, _)| known(name)).cloned().collect();
        let flags = variables::as_flags(&settings, &ours, super::Home::Local)?;
        let mut line: Vec<OsString> = args.into_iter().map(Into::into).collect();
        if line.is_empty() {
            line.push("twofold".into());
        }
        line.splice(1..1, flags);
        let line_of_tool = Line::command().mut_args(|arg| {
            let hidden = arg.get_long().is_some_and(|flag| OF_SERVERS.contains(&flag));
            arg.global(false).hide(hidden)
        });
        let command = super::named(line_of_tool);
        let matches = command.try_get_matches_from(line).map_err(|error| Refusal::of_flag(&error))?;
        for flag in OF_SERVERS {
            if matches.value_source(&flag.replace('-', "_")) == Some(ValueSource::CommandLine) {
                return Err(Refusal::new(
                    &format!("--{flag}"),
                    "is a server's: what is pulled goes where --output says",
                ));
            }
        }
        let Line { mut packages, task } =
            Line::from_arg_matches(&matches).map_err(|error| Refusal::of_flag(&error))?;
        packages.docker = variables::docker(&vars);
        Ok(Self { task, packages })
    }

    /// Reads the process's own command line and environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Result<Self, Refusal> {
        let vars = variables::as_text(std::env::vars_os())?;
        Self::parse(std::env::args_os(), vars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str], vars: &[(&str, &str)]) -> Result<Command, (u8, String)> {
        let vars = vars.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Command::parse(["twofold"].iter().chain(args), vars)
            .map_err(|refusal| (refusal.exit_code(), refusal.to_string()))
    }

    #[test]
    fn a_task_and_the_settings_of_packages_are_read() {
        let vars =
            [("TWOFOLD_PLAIN_HTTP", "registry:5000"), ("TWOFOLD_MODELS", "?"), ("DOCKER_CONFIG", "/d")];
        let args = ["push", "model.onnx", "registry:5000/iris:1", "--create", "--annotation", "a=b=c"];
        let command = parse(&args, &vars).unwrap();
        assert_eq!(command.packages.plain_http, ["registry:5000"]);
        assert_eq!(command.packages.docker, Some("/d/config.json".into()));
        let labels = Labels { annotations: vec![("a".into(), "b=c".into())] };
        let expected = Task::Push {
            path: "model.onnx".into(),
            reference: "registry:5000/iris:1".into(),
            create: true,
            from: None,
            labels,
        };
        assert_eq!(command.task, expected);
        let pull = parse(&["--plain-http=none", "pull", "a.b/c:1", "-o", "out"], &vars).unwrap();
        assert!(pull.packages.plain_http.is_empty());
        assert_eq!(pull.task, Task::Pull { reference: "a.b/c:1".into(), output: "out".into() });
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        let refused = |args: &[&str], vars: &[(&str, &str)]| {
            let (code, text) = parse(args, vars).unwrap_err();
            assert_eq!(code, 64, "{text}");
            text
        };
        assert_eq!(
            refused(&["pull", "a.b/c:1", "-o", "x"], &[("TWOFOLD_ECR_HOSTS", "a/b")]),
            "TWOFOLD_ECR_HOSTS: 'a/b' is refused: expected HOST or HOST:PORT, comma-separated, or none, instead of 'a/b'"
        );
        // Of a server's environment the tool takes what means something to it; what it is told itself must.
        assert!(parse(&["list", "a.b/c"], &[("TWOFOLD_CACHE_LIMIT", "0"), ("TWOFOLD_CACHE", "?")]).is_ok());
        for flag in ["--cache", "--cache-limit"] {
            let value = if flag == "--cache" { "/x" } else { "1GiB" };
            let text = refused(&[flag, value, "pull", "a.b/c:1", "-o", "x"], &[]);
            assert_eq!(text, format!("{flag}: is a server's: what is pulled goes where --output says"));
        }
        assert!(!parse(&["--help"], &[]).unwrap_err().1.contains("--cache"));
        let text = refused(&["push", "a", "b", "--annotation", "x"], &[]);
        assert_eq!(text, "--annotation: 'x' is refused: expected KEY=VALUE");
        assert_eq!(
            refused(&["pack", "a"], &[]),
            "the following required arguments were not provided: --output <LAYOUT>; see --help"
        );
        assert!(refused(&[], &[]).contains("Usage: twofold"));
        assert!(refused(&["ship"], &[]).contains("ship"));
        assert_eq!(parse(&["--help"], &[]).unwrap_err().0, 0);
    }
}
