//! How many requests may be under way: fewer after the service said that they are too many, slowly
//! more again while it does not.

use crate::base::sync::MutexExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A refusal counts once for all requests that were under way together.
const PAUSE: Duration = Duration::from_millis(200);

/// A limit of concurrent requests that adapts: halved by a refusal, one more after as many successes
/// as are allowed at once.
#[derive(Debug)]
pub(super) struct Throttle {
    most: usize,
    slots: Arc<Semaphore>,
    /// Slots that are to vanish when they are given back.
    surplus: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    successes: usize,
    refused: Option<Instant>,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(super) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    throttle: Arc<Throttle>,
}

impl Throttle {
    pub(super) fn new(most: usize) -> Self {
        let state = State { allowed: most, successes: 0, refused: None };
        Self {
            most,
            slots: Arc::new(Semaphore::new(most)),
            surplus: AtomicUsize::new(0),
            state: Mutex::new(state),
        }
    }

    /// Most requests ever under way.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Waits for a slot.
    pub(super) async fn enter(self: &Arc<Self>) -> Slot {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        Slot { permit, throttle: Arc::clone(self) }
    }

    /// Learns from the status of a response.
    pub(super) fn heed(&self, status: StatusCode) {
        let mut state = self.state.locked();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let now = Instant::now();
            if state.refused.is_none_or(|refused| now.duration_since(refused) > PAUSE) {
                let allowed = state.allowed.div_ceil(2);
                self.surplus.fetch_add(state.allowed - allowed, Ordering::Relaxed);
                *state = State { allowed, successes: 0, refused: Some(now) };
            }
        } else if state.allowed < self.most {
            state.successes += 1;
            if state.successes >= state.allowed {
                state.successes = 0;
                state.allowed += 1;
                if !self.give_up_one() {
                    self.slots.add_permits(1);
                }
            }
        }
    }

    /// Takes back a slot that was to vanish; says whether there was one.
    fn give_up_one(&self) -> bool {
        let less = |surplus: usize| surplus.checked_sub(1);
        self.surplus.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.throttle.give_up_one()
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_after_a_refusal_and_more_with_successes() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let throttle = Arc::new(Throttle::new(8));
        let slots: Vec<_> = (0..8).map(|_| runtime.block_on(throttle.enter())).collect();
        (0..5).for_each(|_| throttle.heed(StatusCode::SERVICE_UNAVAILABLE));
        drop(slots);
        assert_eq!(throttle.slots.available_permits(), 4);
        (0..4).for_each(|_| throttle.heed(StatusCode::OK));
        assert_eq!(throttle.slots.available_permits(), 5);
        (0..1000).for_each(|_| throttle.heed(StatusCode::OK));
        assert_eq!(throttle.slots.available_permits(), 8);
    }
}
