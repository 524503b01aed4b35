//! Requests by route and status.

use std::collections::BTreeMap;
use std::fmt::Error;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::Gauge;

use super::Durations;

/// Stands for the route of a request that matched none.
pub const UNMATCHED: &str = "unmatched";

/// The status that nobody was there to read: the client hung up before the answer. nginx made the number common.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Every route that was asked for, and how long its answers took.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes(Arc<RwLock<BTreeMap<Box<str>, Route>>>);

/// Durations by status.
#[derive(Clone, Debug, Default)]
pub(super) struct Route(Arc<RwLock<BTreeMap<u16, Durations>>>);

impl Routes {
    pub(super) fn find(&self, template: &str) -> Route {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(template).cloned();
        known.unwrap_or_else(|| {
            let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
            routes.entry(template.into()).or_default().clone()
        })
    }
}

impl Route {
    fn observe(&self, code: u16, duration: Duration) {
        if let Some(durations) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&code) {
            return durations.observe(duration);
        }
        let mut codes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        codes.entry(code).or_default().observe(duration);
    }
}

impl EncodeMetric for Routes {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        for (template, route) in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            for (&code, durations) in route.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
                let mut digits = itoa::Buffer::new();
                let labels = [("route", template.as_ref()), ("code", digits.format(code))];
                durations.encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// A request that is being answered. Dropped unfinished, it counts as [`CLIENT_CLOSED_REQUEST`].
#[derive(Debug)]
pub struct RequestTimer {
    route: Route,
    in_flight: Gauge,
    began: Instant,
    code: u16,
}

impl RequestTimer {
    pub(super) fn start(route: Route, in_flight: Gauge) -> Self {
        in_flight.inc();
        Self { route, in_flight, began: Instant::now(), code: CLIENT_CLOSED_REQUEST }
    }

    /// Time since the request's head was read.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The request was answered with this status.
    pub fn finish(mut self, code: u16) {
        self.code = code;
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        self.in_flight.dec();
        self.route.observe(self.code, self.began.elapsed());
    }
}
