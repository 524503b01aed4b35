//! The same requests over TCP and as Lambda events, and what must be equal afterwards.

pub mod answer;
pub mod call;
pub mod corpus;
pub mod event;
pub mod hostile;
mod inference;
mod paths;
pub mod process;
mod random;
mod release;
pub mod tcp;
