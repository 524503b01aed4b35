//! Packages from registries, by the built binaries: what ECR and others do, and what goes wrong.
//!
//! `cargo test` runs what needs nothing but this machine; `tests/registry/run` runs all of it, with the real tools and the release
//! binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

mod bearer;
mod ecr;
mod emulator;
mod faults;
mod front;
mod interop;
mod login;
mod package;
mod process;
mod serving;
mod tls;
mod upstream;
mod wire;
