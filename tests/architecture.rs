//! Who may know whom: reads the sources and holds the table below, which is the design's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the crate, and the modules that it may name.
const MAY_DEPEND_ON: [(&str, &[&str]); 13] = [
    ("tensor", &[]),
    ("protocol", &["tensor"]),
    ("engine", &["tensor"]),
    ("store", &[]),
    ("catalog", &["tensor", "engine", "store", "telemetry"]),
    ("http", &["tensor", "protocol", "catalog", "telemetry", "config"]),
    ("telemetry", &["config"]),
    ("app", &["tensor", "protocol", "engine", "store", "catalog", "http", "telemetry", "config"]),
    ("config", &[]),
    ("check", &[]),
    ("lambda", &["http", "config"]),
    ("shutdown", &[]),
    ("cli", &["tensor", "protocol", "engine", "store", "catalog", "config"]),
];

/// Names of other crates, or of their items, and the only files that may hold them.
const ONLY_IN: [(&str, &[&str]); 11] = [
    ("reqwest", &["src/store/registry.rs", "src/store/registry/", "tests/registry/"]),
    ("rustls::", &["src/store/registry.rs", "tests/registry/"]),
    ("aws_config", &["src/store/ecr.rs"]),
    ("aws_sdk", &["src/store/ecr.rs"]),
    ("use rten::", &["src/engine/rten.rs", "src/engine/rten/"]),
    ("rten_tensor", &["src/engine/rten.rs", "src/engine/rten/"]),
    ("lambda_http", &["src/lambda.rs", "src/lambda/", "bin/lambda.rs", "tests/parity"]),
    ("lambda_runtime", &["src/lambda.rs", "src/lambda/", "bin/lambda.rs", "tests/parity"]),
    ("StatusCode", &["src/http/error.rs", "src/lambda.rs", "src/lambda/", "tests/"]),
    ("env::var", &["src/config.rs", "src/config/", "tests/", "benches/"]),
    ("clap::", &["src/config.rs", "src/config/"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "bin", "tests", "benches"] {
        sources(&root.join(folder), &mut paths);
    }
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            (name, code(&fs::read_to_string(&path).unwrap()))
        })
        .collect()
}

/// A source without its comments, which may speak of anything.
fn code(source: &str) -> String {
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The module that a file of `src` belongs to: `src/http/infer.rs` and `src/http.rs` to `http`.
fn module(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    Some(rest.split(['/', '.']).next().unwrap())
}

/// The modules of the crate that a source names: `crate::catalog`, or `crate::{catalog, tensor}`.
fn named(source: &str, modules: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        let list = if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let end = group
                .char_indices()
                .find(|(_, character)| {
                    depth += i32::from(*character == '{') - i32::from(*character == '}');
                    depth == 0
                })
                .unwrap()
                .0;
            &group[..end]
        } else {
            rest.split(|character: char| !character.is_alphanumeric() && character != '_').next().unwrap()
        };
        for word in list.split(|character: char| !character.is_alphanumeric() && character != '_') {
            if modules.contains(word) {
                named.insert(word.to_owned());
            }
        }
    }
    named
}

#[test]
fn modules_know_only_those_below_them() {
    let table: BTreeMap<_, _> = MAY_DEPEND_ON.into_iter().collect();
    let modules: BTreeSet<_> = table.keys().copied().collect();
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, source) in all_sources() {
        let Some(module) = module(&path).filter(|module| *module != "lib") else { continue };
        let Some(allowed) = table.get(module) else {
            faults.push(format!("{path}: module '{module}' is not in the table"));
            continue;
        };
        seen.insert(module.to_owned());
        for other in named(&source, &modules) {
            if other != module && !allowed.contains(&other.as_str()) {
                faults.push(format!("{path}: '{module}' may not know '{other}'"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert_eq!(seen.len(), table.len(), "the table has modules that there are not: {table:?}, {seen:?}");
}

#[test]
fn a_crate_is_named_only_where_it_belongs() {
    let mut faults = Vec::new();
    for (path, source) in all_sources() {
        if path == "tests/architecture.rs" {
            continue;
        }
        for (name, places) in ONLY_IN {
            if source.contains(name) && !places.iter().any(|place| path.starts_with(place)) {
                faults.push(format!("{path}: names {name}, which belongs in {}", places.join(" or ")));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn entry_points_only_wire() {
    for (path, _) in all_sources().iter().filter(|(path, _)| path.starts_with("bin/")) {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        assert!(lines <= 60, "{path} has {lines} lines; 60 are allowed");
    }
}

#[test]
fn the_tour_of_lib_rs_lists_every_module_in_one_line() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    for (module, _) in MAY_DEPEND_ON {
        assert!(lib.contains(&format!("pub mod {module};")), "src/lib.rs does not list {module}");
    }
    let other = lib.lines().find(|line| {
        !(line.is_empty()
            || line.starts_with("//!")
            || line.starts_with("///")
            || line.starts_with("pub mod "))
    });
    assert_eq!(other, None, "src/lib.rs holds something else than the tour");
}
