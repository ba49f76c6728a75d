//! What went through the proxy.

use std::collections::BTreeMap;

use serde::Serialize;

/// Totals since the start or the last reset. Bytes are those of bodies, as they were passed on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests by method.
    pub methods: BTreeMap<String, u64>,
    /// Answers given, by status; those of injected faults included.
    pub statuses: BTreeMap<u16, u64>,
    /// Faults injected, by name.
    pub faults: BTreeMap<String, u64>,
    /// Bytes of request bodies passed to the server.
    pub bytes_up: u64,
    /// Bytes of answers' bodies passed to the client.
    pub bytes_down: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Requests under way: from the arrival of the head to the end of the answer's body.
    pub in_flight: u64,
    /// The most requests that were under way at once.
    pub peak_in_flight: u64,
    /// Requests that the server itself did not answer: it closed, or could not be reached.
    pub upstream_errors: u64,
}

impl Counts {
    /// Requests of a method: "GET".
    pub fn method(&self, method: &str) -> u64 {
        self.methods.get(method).copied().unwrap_or(0)
    }

    /// Answers of a class of status: 2 for 200 to 299.
    pub fn status_class(&self, class: u16) -> u64 {
        self.statuses.range(class * 100..(class + 1) * 100).map(|(_, n)| n).sum()
    }

    /// Faults injected of a name: "reset"; of all names without one.
    pub fn faults(&self, name: Option<&str>) -> u64 {
        match name {
            Some(name) => self.faults.get(name).copied().unwrap_or(0),
            None => self.faults.values().sum(),
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self { in_flight: self.in_flight, peak_in_flight: self.in_flight, ..Self::default() };
    }
}

/// A request that arrived, when recording is on.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// "GET".
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header names in lower case, and values.
    pub headers: BTreeMap<String, String>,
    /// The fault it met.
    pub fault: Option<String>,
}
