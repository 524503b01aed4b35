//! The pipeline holds no knowledge of its own: each of its steps is a command that a person can type, and the README says
//! which. Reads .github/workflows, the Makefile and the README.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Tools that a runner has and a person may have; a line of theirs needs no target.
const STOCK: [&str; 13] = [
    "aws",
    "cargo",
    "chmod",
    "docker",
    "echo",
    "gh",
    "install",
    "kubectl",
    "kustomize",
    "rustup",
    "sam",
    "sha256sum",
    "skopeo",
];

/// What makes more of a line than one command.
const JOINTS: [&str; 5] = ["&&", "||", ";", "|", "`"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn workflows() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut workflows: Vec<_> = paths
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    workflows.sort();
    workflows
}

/// The values of a key, wherever it stands, each with the number of its line. One that goes on in further lines is given
/// whole, with its line breaks.
fn values(yaml: &str, key: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = yaml.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let start = line.trim_start();
        let inner = start.strip_prefix("- ").unwrap_or(start);
        let column = line.len() - inner.len();
        let Some(value) = inner.strip_prefix(key).and_then(|rest| rest.strip_prefix(':')) else { continue };
        let further = lines[at + 1..]
            .iter()
            .take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > column);
        let whole = further.fold(value.trim().to_owned(), |whole, line| format!("{whole}\n{line}"));
        found.push((at + 1, whole.trim_end().to_owned()));
    }
    found
}

/// Why a step's command is none that a person would type, if so.
fn fault(command: &str, targets: &BTreeSet<String>) -> Option<String> {
    if command.contains('\n') || command.starts_with(['|', '>']) {
        return Some("is more than one line".into());
    }
    if let Some(joint) = JOINTS.into_iter().find(|joint| command.contains(joint)) {
        return Some(format!("is more than one command: {joint}"));
    }
    let mut words = command.split_whitespace();
    match (words.next().unwrap_or_default(), words.next()) {
        ("make", Some(target)) if targets.contains(target) => None,
        ("make", target) => Some(format!("names no target of the Makefile: {}", target.unwrap_or_default())),
        (tool, _) if STOCK.contains(&tool) => None,
        (tool, _) => Some(format!("is neither a target of the Makefile nor a stock tool: {tool}")),
    }
}

/// What the Makefile can be asked for.
fn targets(makefile: &str) -> BTreeSet<String> {
    makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', ' ', '#', '.']))
        .filter_map(|line| {
            line.split_once(':').filter(|(names, rest)| !names.contains('=') && !rest.starts_with('='))
        })
        .flat_map(|(names, _)| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        })
        .collect()
}

#[test]
fn each_step_is_one_command_that_a_person_can_type() {
    let targets = targets(&read("Makefile"));
    let mut faults = Vec::new();
    for (name, yaml) in workflows() {
        let commands = values(&yaml, "run");
        assert!(commands.len() >= 3, "{name} has {} commands: is it read at all?", commands.len());
        for (line, command) in commands {
            faults.extend(fault(&command, &targets).map(|why| format!("{name}:{line}: `{command}` {why}")));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_target_of_the_makefile_is_in_the_readme() {
    let readme = read("README.md");
    let targets = targets(&read("Makefile"));
    assert!(targets.len() >= 5, "{targets:?}");
    let unknown: Vec<_> =
        targets.iter().filter(|target| !names(&readme, &format!("make {target}"))).collect();
    assert!(unknown.is_empty(), "the README does not say what these are for: {unknown:?}");
}

/// Whether a text holds these words, and not only the beginning of longer ones.
fn names(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let next = text[at + words.len()..].chars().next();
        !next.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    })
}

#[test]
fn each_action_is_pinned_by_its_commit() {
    for (name, yaml) in workflows() {
        let uses = values(&yaml, "uses");
        assert!(!uses.is_empty(), "{name}");
        for (line, action) in uses {
            let action = action.lines().next().unwrap_or_default();
            let (pin, version) = action.split_once(" # ").unwrap_or((action, ""));
            let commit = pin.split_once('@').map_or("", |(_, commit)| commit);
            let is_commit = commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit());
            assert!(is_commit && version.starts_with('v'), "{name}:{line}: {action}");
        }
    }
}

#[test]
fn the_pipeline_compiles_with_the_version_that_is_promised() {
    let manifest = read("Cargo.toml");
    let promised = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    for (name, yaml) in workflows() {
        for (line, version) in values(&yaml, "RUSTUP_TOOLCHAIN") {
            assert_eq!(version, promised, "{name}:{line}");
        }
        for (line, command) in values(&yaml, "run") {
            let installed =
                command.strip_prefix("rustup toolchain install ").map(|rest| rest.split(' ').next().unwrap());
            assert!(
                installed.is_none_or(|version| version == promised.trim_matches('"')),
                "{name}:{line}: {command}"
            );
        }
    }
}

#[test]
fn what_no_person_would_type_is_found() {
    let targets = targets(
        "a := b\nIMAGE = twofold:dev\n.PHONY: image\nimage: target\n\tcargo build\nsam-build check:\n",
    );
    assert_eq!(targets, ["check", "image", "sam-build"].map(str::to_owned).into());
    for good in ["make image", "make check A=b", "cargo test --locked", "sam build"] {
        assert_eq!(fault(good, &targets), None, "{good}");
    }
    for bad in [
        "make nothing",
        "make",
        "./script",
        "bash -c x",
        "curl https://example.org",
        "cargo fmt && cargo test",
        "docker ps | head",
        "cargo build; cargo test",
        "|\n  cargo test",
        "cargo test\n    --locked",
        "",
    ] {
        assert!(fault(bad, &targets).is_some(), "{bad}");
    }
    let yaml = "steps:\n  - run: |\n      make image\n      make check\n  - name: x\n    run: make image\n    env: y\n";
    assert_eq!(
        values(yaml, "run"),
        [(2, "|\n      make image\n      make check".to_owned()), (6, "make image".to_owned())]
    );
    assert!(names("`make lint`", "make lint") && !names("make lint-all", "make lint"));
}
