//! Logs and metrics.

pub mod metrics;

pub use metrics::Metrics;
