//! What the requests of a proxy share.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use anyhow::Result;
use hyper::Method;
use rand::rngs::StdRng;

use super::counts::{Counts, Recorded};
use super::faults::{Fault, Faults};

/// What the requests share: configuration, queued faults, counts.
pub(crate) struct Shared {
    pub(super) upstream: SocketAddr,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) faults: Faults,
    pub(super) draws: StdRng,
    pub(super) queued: VecDeque<(Option<Method>, Fault)>,
    pub(super) counts: Counts,
    pub(super) recorded: Option<Vec<Recorded>>,
}

impl State {
    pub(super) fn set(&mut self, faults: Faults) {
        self.draws = faults.draws();
        self.faults = faults;
    }

    /// The fault for a request that has arrived: a queued one before a drawn one.
    pub(super) fn next_fault(&mut self, method: &Method, target: &str) -> Option<Fault> {
        let drawn = self.faults.draw(&mut self.draws, method, target);
        let queued = self.queued.iter().position(|(only, _)| only.as_ref().is_none_or(|m| m == method));
        queued.and_then(|i| self.queued.remove(i)).map(|(_, fault)| fault).or(drawn)
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.state().counts);
    }

    /// Queues `"PUT lost"`, or for any method `"* lost"`.
    pub(super) fn inject(&self, method: &str, fault: Fault) -> Result<()> {
        let only = (method != "*").then(|| method.parse::<Method>()).transpose()?;
        self.state().queued.push_back((only, fault));
        Ok(())
    }
}
