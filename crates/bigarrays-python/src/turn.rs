//! The turn of objects that are read by their own code: one at a time, since not all libraries take more, whatever objects are
//! of one library.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bigarrays::Result;

/// The process of the thread that has the turn, or zero. After a fork, that of a parent whose threads are not here.
static HOLDER: AtomicU32 = AtomicU32::new(0);

/// How long a thread sleeps that waits for the turn.
const PAUSE: Duration = Duration::from_micros(100);

/// How often it looks before it sleeps.
const LOOKS: usize = 20;

thread_local! {
    static IS_MINE: Cell<bool> = const { Cell::new(false) };
}

/// Gives back the turn, also when the work panics.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        IS_MINE.set(false);
        HOLDER.store(0, Ordering::Release);
    }
}

/// Waits for the turn, as long as `check` lets it.
fn take(check: impl Fn() -> Result<()>) -> Result<Turn> {
    let process = std::process::id();
    let mut looks = 0;
    loop {
        let holder = HOLDER.load(Ordering::Relaxed);
        if holder != process
            && HOLDER.compare_exchange(holder, process, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            IS_MINE.set(true);
            return Ok(Turn);
        }
        check()?;
        looks += 1;
        if looks < LOOKS { std::thread::yield_now() } else { std::thread::sleep(PAUSE) }
    }
}

/// Does `work` while no other thread does such work. The thread must not have the interpreter: whoever has the turn may wait
/// for it.
///
/// # Errors
/// `Cancelled`.
pub(crate) fn within<T>(work: impl FnOnce() -> T) -> Result<T> {
    if IS_MINE.get() {
        return Ok(work());
    }
    let _turn = take(bigarrays::check_interrupt)?;
    Ok(work())
}

/// Does `work`, which may wait for other threads that want the turn, without it.
pub(crate) fn without<T>(work: impl FnOnce() -> T) -> T {
    /// Takes the turn again, also when `work` panics.
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            // It cannot be refused.
            if let Ok(turn) = take(|| Ok(())) {
                std::mem::forget(turn);
            }
        }
    }
    if !IS_MINE.get() {
        return work();
    }
    let _again = Again;
    drop(Turn);
    work()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn one_at_a_time_and_others_while_it_waits_for_them() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let read = || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| within(read).unwrap()));
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
        let inner = || std::thread::scope(|scope| scope.spawn(|| within(|| 7).unwrap()).join().unwrap());
        assert_eq!(within(|| without(inner)).unwrap(), 7);
        assert_eq!(HOLDER.load(Ordering::SeqCst), 0);
    }
}
