//! The router in process, through its front door: a file per endpoint, every status and error text pinned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod client;
mod held;

mod administration;
mod binary;
mod digits;
mod encoding;
mod health;
mod hostile;
mod infer;
mod large;
mod loading;
mod metadata;
mod metrics;
mod misbehaving;
mod overload;
mod openapi;
mod repository;
mod request_id;
mod routes;
mod statistics;
