//! The one private runtime on which requests are under way, and the memory that they may take.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::error::{Error, ErrorKind, Result};
use crate::run::budget;
use crate::run::pool::PerProcess;

/// Threads that move bytes between the network and memory; decoding and encoding happen elsewhere.
const THREADS: usize = 2;

/// Bytes that one permit stands for.
const UNIT: u64 = 1 << 10;

static NETWORK: PerProcess<Network> = PerProcess::new();

/// What all stores of this process share.
pub(super) struct Network {
    pub(super) runtime: Runtime,
    pub(super) budget: Budget,
}

/// A bounded number of bytes of values, read or to be written, that are in memory at once.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
    all: u32,
}

impl Budget {
    fn new(bytes: u64) -> Self {
        let all = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX >> 4).max(1);
        Self { units: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Waits until so many bytes may be held; for more than there are, until nothing else is held.
    pub(super) async fn set_aside(&self, bytes: u64) -> OwnedSemaphorePermit {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.all);
        loop {
            // The semaphore is never closed.
            if let Ok(permit) = Arc::clone(&self.units).acquire_many_owned(units).await {
                return permit;
            }
        }
    }

    /// Gives back what of `held` is more than `bytes` need.
    pub(super) fn keep_only(&self, held: &mut OwnedSemaphorePermit, bytes: u64) {
        let needed = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        if let Some(surplus) = held.num_permits().checked_sub(needed) {
            drop(held.split(surplus));
        }
    }
}

/// Patience with what may be done again and came to nothing; single requests are already repeated
/// further below.
pub(super) struct Again(Duration);

impl Again {
    pub(super) const FIRST: Self = Self(Duration::from_millis(100));

    /// Whether to try once more after this error. Waits longer each time.
    pub(super) async fn after(&mut self, error: &Error) -> bool {
        self.when(error.is_retryable()).await
    }

    /// Whether to try once more if it `may` help. Waits longer each time.
    pub(super) async fn when(&mut self, may: bool) -> bool {
        let goes_on = may && self.0 < Self::FIRST.0 * 16;
        if goes_on {
            tokio::time::sleep(self.0).await;
            self.0 *= 2;
        }
        goes_on
    }
}

/// The network of this process. The first to use it decides how much memory it has; if zero, the default.
pub(super) fn network(max_bytes: u64) -> Result<Arc<Network>> {
    NETWORK.get_or_try_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("bigarrays-net")
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Storage, error.to_string()).during("starting threads"))?;
        let max_bytes = if max_bytes == 0 { budget::standing() } else { max_bytes };
        Ok(Network { runtime, budget: Budget::new(max_bytes) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_but_never_too_small_for_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let budget = Budget::new(10 * UNIT);
        let mut all = runtime.block_on(budget.set_aside(u64::MAX));
        assert_eq!(budget.units.available_permits(), 0);
        budget.keep_only(&mut all, 3 * UNIT);
        assert_eq!(budget.units.available_permits(), 7);
        drop(all);
        assert_eq!(budget.units.available_permits(), 10);
    }
}
