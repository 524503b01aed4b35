//! The environment's side of the settings: variables become flags, and unknown ones are refused.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Home, Refusal};

const PREFIX: &str = "TWOFOLD_";

/// `log-format` is `TWOFOLD_LOG_FORMAT`.
pub(super) fn of_flag(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_ascii_uppercase())
}

/// The flag of an argument that is a setting; one that takes no value is not.
pub(super) fn flag_of_setting(arg: &clap::Arg) -> Option<&str> {
    arg.get_long().filter(|_| arg.get_action().takes_values())
}

/// The environment as text. What is not UTF-8 matters only where it is a setting.
pub(super) fn as_text(
    vars: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut texts = Vec::new();
    for (name, value) in vars {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => texts.push((name, value)),
            (Ok(name), Err(value)) if name.starts_with(PREFIX) => {
                let value = value.to_string_lossy();
                return Err(Refusal::new(&name, format_args!("'{value}' is refused: expected UTF-8")));
            }
            _ => {}
        }
    }
    Ok(texts)
}

/// Where Docker's tools keep their `config.json`.
pub(super) fn docker(vars: &[(String, String)]) -> Option<PathBuf> {
    let value = |name| vars.iter().find(|(variable, value)| variable == name && !value.is_empty());
    let folder = value("DOCKER_CONFIG").map(|(_, folder)| PathBuf::from(folder));
    let folder = folder.or_else(|| value("HOME").map(|(_, home)| PathBuf::from(home).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

/// The settings among `vars` as flags, each checked by itself so that a bad one is refused by its own name.
pub(super) fn as_flags(
    command: &clap::Command,
    vars: &[(String, String)],
    home: Home,
) -> Result<Vec<OsString>, Refusal> {
    let known: Vec<(String, &str)> =
        command.get_arguments().filter_map(flag_of_setting).map(|flag| (of_flag(flag), flag)).collect();
    let mut flags = Vec::new();
    for (name, value) in vars {
        if !name.starts_with(PREFIX) || (home == Home::Kubernetes && is_service_link(name, vars)) {
            continue;
        }
        let Some((_, flag)) = known.iter().find(|(variable, _)| variable == name) else {
            let nearest =
                known.iter().map(|(variable, _)| variable).min_by_key(|known| distance(known, name));
            let nearest = nearest.map(String::as_str).unwrap_or_default();
            return Err(Refusal::new(
                name,
                format_args!("there is no such setting; did you mean {nearest}?"),
            ));
        };
        let planted = OsString::from(format!("--{flag}={value}"));
        command
            .clone()
            .no_binary_name(true)
            .try_get_matches_from([&planted])
            .map_err(|error| Refusal::of_variable(name, value, &error))?;
        flags.push(planted);
    }
    Ok(flags)
}

/// Kubernetes plants `X_SERVICE_HOST`, `X_SERVICE_PORT`, `X_PORT` and variables that begin with the latter two into
/// pods beside a Service x: a Service named twofold must not keep its own pods from starting.
fn is_service_link(name: &str, vars: &[(String, String)]) -> bool {
    vars.iter().filter_map(|(other, _)| other.strip_suffix("_SERVICE_HOST")).any(|service| {
        name.strip_prefix(service).is_some_and(|rest| {
            rest == "_SERVICE_HOST"
                || ["_SERVICE_PORT", "_PORT"].iter().any(|end| {
                    rest.strip_prefix(end).is_some_and(|more| more.is_empty() || more.starts_with('_'))
                })
        })
    })
}

/// Levenshtein's distance, in bytes: how many must change to make one of the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.bytes()) {
            let above = *cell;
            left = (before + usize::from(a != b)).min(above + 1).min(left + 1);
            (before, *cell) = (above, left);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
