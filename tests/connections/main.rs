//! Connections, by real sockets: their bounds, their times, and their end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout)]

mod client;
mod drain;
mod faults;
mod house;
mod http2;
mod limits;
mod process;
mod signals;
mod slow;
mod start;
