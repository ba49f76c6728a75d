//! An HTTP/1.1 proxy in front of one server: a reverse proxy that leaves the Host header alone, so that
//! signatures stay valid. It streams, and runs on one thread of its own.

mod body;
mod counts;
mod faults;
mod serve;
mod shared;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::Result;

use crate::background::Background;
pub use counts::{Counts, Recorded};
pub use faults::{Fault, Faults};
use shared::{Shared, State};

/// A running proxy; stops when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    serving: Background,
}

impl Proxy {
    /// Starts on a free port of loopback, in front of the server at `upstream`.
    pub fn start(upstream: SocketAddr, faults: Faults) -> Result<Self> {
        Self::start_on(0, upstream, faults)
    }

    /// Starts on a port of loopback (0: a free one).
    pub fn start_on(port: u16, upstream: SocketAddr, faults: Faults) -> Result<Self> {
        let draws = faults.draws();
        let (queued, counts) = (VecDeque::new(), Counts::default());
        let state = Mutex::new(State { faults, draws, queued, counts, recorded: None });
        let shared = Arc::new(Shared { upstream, state });
        let serving = Background::serve(port, serve::connections(Arc::clone(&shared)))?;
        Ok(Self { shared, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// What went through since the start or the last reset.
    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    /// Sets the counts to zero and forgets recorded requests.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        state.counts.reset();
        state.recorded.iter_mut().for_each(Vec::clear);
    }

    /// Replaces faults and latency for the requests to come, and starts the draws anew.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.state().set(faults);
    }

    /// Makes the next request of a method ("PUT", or "*" for any) meet a fault, whatever is drawn.
    pub fn inject(&self, method: &str, fault: Fault) {
        self.shared.inject(method, fault).expect("a method");
    }

    /// Begins to record the heads of requests.
    pub fn record(&self) {
        self.shared.state().recorded.get_or_insert_default();
    }

    /// The requests recorded, in order of arrival.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.state().recorded.clone().unwrap_or_default()
    }
}
