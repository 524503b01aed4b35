use std::fs;
use std::path::Path;

use super::*;

/// A folder with these files, each given as path and text.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// A store whose cache cannot be used.
fn store() -> Store {
    Store::new(Settings {
        cache: "/dev/null/cache".into(),
        cache_limit: 1,
        plain_http: Vec::new(),
        ecr_hosts: Vec::new(),
        docker: None,
        pinned: false,
        within: None,
    })
}

fn resolve(root: &Path, name: Option<&str>) -> Result<Vec<Listing>, Error> {
    store().resolve(&Reference::Dir(root.to_owned()), name)
}

/// Name, version, and the model or the reason why it cannot be had.
type Listed = (String, u64, String);

/// All that a folder holds; `DIR` stands for the folder.
fn contents(root: &Path, name: Option<&str>) -> Result<Vec<Listed>, (ErrorKind, String)> {
    let told = |error: Error| (error.kind(), error.to_string().replace(&root.display().to_string(), "DIR"));
    let listings = resolve(root, name).map_err(told)?;
    let listed = listings.into_iter().map(|listing| {
        let text = match listing.fetch() {
            Ok(package) => {
                assert_eq!((package.name.as_str(), package.version), (listing.name(), listing.version()));
                String::from_utf8(package.model.to_vec()).unwrap()
            }
            Err(error) => {
                let (kind, text) = told(error);
                format!("{kind:?} {text}")
            }
        };
        (listing.name().to_owned(), listing.version(), text)
    });
    Ok(listed.collect())
}

fn listed(name: &str, version: u64, text: &str) -> Listed {
    (name.into(), version, text.into())
}

#[test]
fn references_have_three_forms() {
    assert_eq!(Reference::parse("embedded:digits"), Ok(Reference::Embedded("digits".into())));
    assert_eq!(Reference::parse("dir:/mnt/a:b=c"), Ok(Reference::Dir("/mnt/a:b=c".into())));
    assert_eq!(Reference::parse("dir:models").unwrap().to_string(), "dir:models");
    for text in
        ["", "digits", "/mnt/models", "dir:", "embedded:", "Dir:x", "oci:host.io/repo:1", "s3://bucket"]
    {
        let error = Reference::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.reference()), (ErrorKind::Reference, text));
        let expected =
            "expected embedded:NAME, dir:PATH or oci://HOST/REPOSITORY with :TAG or @sha256:DIGEST";
        assert_eq!(error.to_string(), format!("{text}: {expected}"));
    }
}

#[test]
fn the_binary_holds_digits() {
    let resolve = |text: &str, name| store().resolve(&Reference::parse(text).unwrap(), name);
    let [listing] = &resolve("embedded:digits", None).unwrap()[..] else { panic!("one model") };
    assert_eq!((listing.name(), listing.version()), ("digits", 1));
    let package = listing.fetch().unwrap();
    assert_eq!((package.name.as_str(), package.version), ("digits", 1));
    assert_eq!(package.model, fs::read("models/digits/model.onnx").unwrap());
    assert_eq!(package.side_files, []);
    assert_eq!(package.manifest.name.as_deref(), Some("digits"));
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!(package.manifest.labels, [("probabilities".to_owned(), digits)].into());

    // The same package as a folder is the same package.
    let folder = resolve("dir:models/digits", None).unwrap();
    assert_eq!(folder[0].fetch().unwrap(), package);

    let renamed = resolve("embedded:digits", Some("numbers")).unwrap();
    assert_eq!(renamed[0].name(), "numbers");
    assert_eq!(renamed[0].fetch().unwrap().name, "numbers");

    let error = resolve("embedded:letters", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Absent);
    assert_eq!(error.to_string(), "embedded:letters: no such model in the binary, which holds digits");
    let error = resolve("embedded:digits", Some("a/b")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Name);
    assert_eq!(
        error.to_string(),
        "embedded:digits: 'a/b' is no model's name, which has letters, digits, _, - and . and begins with none of - and ."
    );
}

#[test]
fn a_repository_holds_models_and_their_versions_in_numeric_order() {
    let root = folder(&[
        ("b/model.onnx", "b"),
        ("b/labels.txt", "one"),
        ("b/assets/model.onnx", "not looked at"),
        ("a/10/model.onnx", "a 10"),
        ("a/9/model.onnx", "a 9"),
        ("a/010/model.onnx", "no version"),
        ("a/drafts/model.onnx", "no version"),
        ("a/config.pbtxt", "not looked at"),
        ("README.md", "not looked at"),
        (".hidden/model.onnx", "not looked at"),
        ("lost+found/x", "not looked at"),
    ]);
    let expected = [listed("a", 9, "a 9"), listed("a", 10, "a 10"), listed("b", 1, "b")];
    assert_eq!(contents(root.path(), None).unwrap(), expected);
}

#[test]
fn a_broken_model_says_why_and_leaves_the_others_alone() {
    let root = folder(&[
        ("both/model.onnx", ""),
        ("both/1/model.onnx", ""),
        ("drafts/v1/model.onnx", ""),
        ("empty/1/notes.txt", ""),
        ("good/model.onnx", "good"),
        ("is folder/model.onnx", ""),
        ("key/model.onnx", ""),
        ("key/twofold.json", r#"{"lables": {}}"#),
        ("versions/1/model.onnx", "versions 1"),
        ("versions/2/model.onnx/x", ""),
        ("versions/3/model.onnx", ""),
        ("versions/3/twofold.json", "{"),
    ]);
    assert_eq!(
        contents(root.path(), None).unwrap(),
        [
            listed("both", 1, "Layout dir:DIR: both: holds both model.onnx and versions (1)"),
            listed(
                "drafts",
                1,
                "Layout dir:DIR: drafts: holds neither model.onnx nor a version (a folder named by a positive integer)"
            ),
            listed("empty", 1, "Absent dir:DIR: empty/1/model.onnx: No such file or directory (os error 2)"),
            listed("good", 1, "good"),
            listed(
                "is folder",
                1,
                "Name dir:DIR: 'is folder' is no model's name, which has letters, digits, _, - and . and begins with none of - and ."
            ),
            listed(
                "key",
                1,
                "Manifest dir:DIR: key/twofold.json: unknown key 'lables', expected name, engine, labels or description"
            ),
            listed("versions", 1, "versions 1"),
            listed("versions", 2, "Unreadable dir:DIR: versions/2/model.onnx: not a file"),
            listed(
                "versions",
                3,
                "Manifest dir:DIR: versions/3/twofold.json: not JSON: EOF while parsing an object at line 1 column 1"
            ),
        ]
    );
}

#[test]
fn one_model_is_named_by_its_entry_then_its_manifest_then_its_folder() {
    let root = folder(&[
        ("plain/model.onnx", "plain"),
        ("told/model.onnx", "told"),
        ("told/twofold.json", r#"{"name": "chosen"}"#),
        ("many/1/model.onnx", "one"),
        ("many/2/model.onnx", "two"),
        ("my model/model.onnx", "mine"),
    ]);
    let contents = |folder: &str, name| contents(&root.path().join(folder), name);
    assert_eq!(contents("plain", None).unwrap(), [listed("plain", 1, "plain")]);
    assert_eq!(contents("plain", Some("x")).unwrap(), [listed("x", 1, "plain")]);
    assert_eq!(contents("told", None).unwrap(), [listed("chosen", 1, "told")]);
    assert_eq!(contents("told", Some("x")).unwrap(), [listed("x", 1, "told")]);
    assert_eq!(contents("many", None).unwrap(), [listed("many", 1, "one"), listed("many", 2, "two")]);
    assert_eq!(contents("many", Some("x")).unwrap(), [listed("x", 1, "one"), listed("x", 2, "two")]);
    assert_eq!(contents("plain/../told/..//plain/.", None).unwrap(), [listed("plain", 1, "plain")]);
    assert_eq!(contents("my model", Some("x")).unwrap(), [listed("x", 1, "mine")]);
    assert_eq!(
        contents("my model", None).unwrap_err(),
        (
            ErrorKind::Name,
            "dir:DIR: 'my model' is no model's name, which has letters, digits, _, - and . and begins with none of - \
             and .; give one: NAME=dir:DIR"
                .into()
        )
    );
}

#[test]
fn what_is_ambiguous_or_absent_is_refused() {
    let root = folder(&[("digits/model.onnx", ""), ("letters/model.onnx", "")]);
    assert_eq!(
        contents(root.path(), Some("x")).unwrap_err(),
        (
            ErrorKind::Name,
            "dir:DIR: holds a repository (digits, letters), for which the name 'x' cannot stand: name one of its folders"
                .into()
        )
    );
    let root = folder(&[("2024/model.onnx", ""), ("digits/model.onnx", "")]);
    assert_eq!(
        contents(root.path(), None).unwrap_err(),
        (
            ErrorKind::Layout,
            "dir:DIR: holds versions (2024) as a model does and other folders (digits) as a repository does"
                .into()
        )
    );
    let root = folder(&[("1/model.onnx", ""), ("model.onnx", "")]);
    assert_eq!(
        contents(root.path(), None).unwrap_err(),
        (ErrorKind::Layout, "dir:DIR: holds both model.onnx and versions (1)".into())
    );
    let root = folder(&[("notes.txt", "")]);
    assert_eq!(
        contents(root.path(), None).unwrap_err(),
        (
            ErrorKind::Absent,
            "dir:DIR: holds no model: expected model.onnx, VERSION/model.onnx, NAME/model.onnx or NAME/VERSION/model.onnx"
                .into()
        )
    );
    assert_eq!(
        contents(&root.path().join("absent"), None).unwrap_err(),
        (ErrorKind::Absent, "dir:DIR: the folder: No such file or directory (os error 2)".into())
    );
    assert_eq!(
        contents(&root.path().join("notes.txt"), None).unwrap_err(),
        (ErrorKind::Unreadable, "dir:DIR: the folder: Not a directory (os error 20)".into())
    );
}

#[test]
fn a_package_carries_its_manifest_and_its_side_files() {
    let root = folder(&[
        ("twofold.json", r#"{"description": "for all versions"}"#),
        ("1/model.onnx", "one"),
        ("2/model.onnx", "two"),
        (
            "2/twofold.json",
            r#"{"engine": "rten", "labels": {"p": ["no", "yes"], "q": []}, "description": "two's own"}"#,
        ),
        ("2/model.onnx.data", "weights"),
        ("2/model.onnx_data_1", "more"),
        ("2/model.onnx_data", "some"),
        ("2/.model.onnx_data", "hidden"),
        ("2/tokenizer.json", "not of the model"),
    ]);
    let listings = resolve(root.path(), Some("m")).unwrap();
    let first = listings[0].fetch().unwrap();
    assert_eq!(
        first.manifest,
        Manifest { description: Some("for all versions".into()), ..Manifest::default() }
    );
    assert_eq!(first.side_files, []);
    let labels = [("p".to_owned(), vec!["no".to_owned(), "yes".to_owned()]), ("q".to_owned(), vec![])];
    assert_eq!(
        listings[1].fetch().unwrap(),
        Package {
            name: "m".into(),
            version: 2,
            model: "two".into(),
            side_files: vec![
                ("model.onnx.data".into(), "weights".into()),
                ("model.onnx_data".into(), "some".into()),
                ("model.onnx_data_1".into(), "more".into()),
            ],
            manifest: Manifest {
                name: None,
                engine: Some("rten".into()),
                labels: labels.into(),
                description: Some("two's own".into()),
            },
            digest: None,
        }
    );
}

#[test]
fn a_manifest_is_refused_by_key() {
    for (text, reason) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("[]", "expected an object"),
        (r#"{"Name": "x"}"#, "unknown key 'Name', expected name, engine, labels or description"),
        (r#"{"name": 3}"#, "name: expected a string, got a number"),
        (r#"{"name": null}"#, "name: expected a string, got null"),
        (
            r#"{"name": "../x"}"#,
            "name: '../x' is no model's name, which has letters, digits, _, - and . and begins with none of - and .",
        ),
        (r#"{"engine": []}"#, "engine: expected a string, got an array"),
        (r#"{"description": true}"#, "description: expected a string, got a boolean"),
        (r#"{"labels": ["a"]}"#, "labels: expected an object of output names, got an array"),
        (r#"{"labels": {"p": "a"}}"#, "labels.p: expected an array of strings, got a string"),
        (r#"{"labels": {"p": ["a", {}]}}"#, "labels.p[1]: expected a string, got an object"),
    ] {
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err(), reason);
    }
    assert_eq!(Manifest::parse(b"{}"), Ok(Manifest::default()));
}

#[test]
fn files_beyond_the_limit_are_not_read() {
    let root = folder(&[("large/model.onnx", ""), ("wordy/model.onnx", ""), ("wordy/twofold.json", "")]);
    let grow = |file: &str, size| {
        fs::File::options().write(true).open(root.path().join(file)).unwrap().set_len(size).unwrap();
    };
    grow("large/model.onnx", (2 << 30) + 1);
    grow("wordy/twofold.json", (1 << 20) + 1);
    assert_eq!(
        contents(root.path(), None).unwrap(),
        [
            listed("large", 1, "Size dir:DIR: large/model.onnx: larger than 2147483648 bytes"),
            listed("wordy", 1, "Size dir:DIR: wordy/twofold.json: larger than 1048576 bytes"),
        ]
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_as_kubernetes_mounts_need() {
    use std::os::unix::fs::symlink;
    // A ConfigMap's mount: what is seen are links through ..data, which one rename replaces.
    let root = folder(&[("..2025_01/digits/model.onnx", "old"), ("..2025_02/digits/model.onnx", "new")]);
    symlink("..2025_01", root.path().join("..data")).unwrap();
    symlink("..data/digits", root.path().join("digits")).unwrap();
    let listings = resolve(root.path(), None).unwrap();
    assert_eq!(listings.len(), 1);
    assert_eq!(listings[0].fetch().unwrap().model, "old");
    symlink("..2025_02", root.path().join("..tmp")).unwrap();
    fs::rename(root.path().join("..tmp"), root.path().join("..data")).unwrap();
    assert_eq!(listings[0].fetch().unwrap().model, "new");

    // A link to nowhere is a broken model, not a missing one.
    let root = folder(&[("good/model.onnx", "good")]);
    symlink("nowhere", root.path().join("gone")).unwrap();
    assert_eq!(
        contents(root.path(), None).unwrap(),
        [
            listed("gone", 1, "Absent dir:DIR: gone: No such file or directory (os error 2)"),
            listed("good", 1, "good"),
        ]
    );
    symlink("nowhere", root.path().join("model.onnx")).unwrap();
    assert_eq!(
        contents(root.path(), Some("x")).unwrap(),
        [listed("x", 1, "Absent dir:DIR: model.onnx: No such file or directory (os error 2)")]
    );
}

#[cfg(unix)]
#[test]
fn pipes_do_not_stop_the_start() {
    let root = folder(&[("m/twofold.json", "{}")]);
    let pipe = root.path().join("m/model.onnx");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    assert_eq!(
        contents(root.path(), None).unwrap(),
        [listed("m", 1, "Unreadable dir:DIR: m/model.onnx: not a file")]
    );
}
