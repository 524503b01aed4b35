//! The README's table of settings is `--help`'s.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;

use twofold::config::Config;

#[test]
fn the_readme_has_every_setting_as_help_says_it() {
    let readme = fs::read_to_string("README.md").unwrap();
    let table: Vec<_> = readme.lines().filter(|line| line.starts_with("| `TWOFOLD_")).collect();
    let settings: Vec<_> = Config::settings()
        .map(|setting| {
            format!(
                "| `{}` | `{}` | `{}` | {} |",
                setting.variable, setting.flag, setting.default, setting.meaning
            )
        })
        .collect();
    assert_eq!(
        table.join("\n"),
        settings.join("\n"),
        "the README's table should be:\n{}",
        settings.join("\n")
    );
}
