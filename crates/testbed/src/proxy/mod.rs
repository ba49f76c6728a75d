//! An HTTP/1.1 proxy in front of one server: a reverse proxy that leaves the Host header alone, so that
//! signatures stay valid. It streams, and runs on one thread of its own.

mod body;
mod counts;
mod faults;
mod serve;

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use anyhow::{Context, Result};
use hyper::Method;
use rand::rngs::StdRng;
use tokio::{net::TcpListener, sync::oneshot};

pub use counts::{Counts, Recorded};
pub use faults::{Fault, Faults};

/// What the requests share: configuration, queued faults, counts.
pub(crate) struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
}

struct State {
    faults: Faults,
    draws: StdRng,
    queued: VecDeque<(Option<Method>, Fault)>,
    counts: Counts,
    recorded: Option<Vec<Recorded>>,
}

impl State {
    fn set(&mut self, faults: Faults) {
        self.draws = faults.draws();
        self.faults = faults;
    }

    /// The fault for a request that has arrived: a queued one before a drawn one.
    fn next_fault(&mut self, method: &Method) -> Option<Fault> {
        let drawn = self.faults.draw(&mut self.draws, method);
        let queued = self.queued.iter().position(|(only, _)| only.as_ref().is_none_or(|m| m == method));
        queued.and_then(|i| self.queued.remove(i)).map(|(_, fault)| fault).or(drawn)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.state().counts);
    }

    /// Queues `"PUT lost"`, or for any method `"* lost"`.
    fn inject(&self, method: &str, fault: Fault) -> Result<()> {
        let only = (method != "*").then(|| method.parse::<Method>()).transpose()?;
        self.state().queued.push_back((only, fault));
        Ok(())
    }
}

/// A running proxy; stops when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .with_context(|| format!("listening on port {port}"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = serve::accept(Arc::clone(&shared), listener);
        let thread = thread::Builder::new().name("proxy".into()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(serving);
                let _ = stopped.await;
            });
        })?;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
