//! Asking work to stop, from outside.
//!
//! A caller lends a check to everything that it then does on its thread; what waits for a network or
//! works for long asks it about ten times a second.

use std::cell::Cell;
use std::time::Duration;

use crate::base::error::{Error, ErrorKind, Result};

type Check<'a> = dyn Fn() -> bool + 'a;

thread_local! {
    static CHECK: Cell<Option<*const Check<'static>>> = const { Cell::new(None) };
}

/// How long is waited at most before the check is asked again.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Does `work`; reads, writes and copies in it that wait for long end with `Cancelled` soon after
/// `stop` begins to say true. It is called from this thread alone.
///
/// ```
/// use bigarrays::ErrorKind;
/// let done = bigarrays::interruptible(&|| false, || bigarrays::Array::open("memory://interruptible"));
/// assert_eq!(done.unwrap_err().kind(), ErrorKind::NotFound);
/// ```
pub fn interruptible<T>(stop: &Check<'_>, work: impl FnOnce() -> T) -> T {
    /// Puts back the check of the caller, also when `work` panics.
    struct Restore(Option<*const Check<'static>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHECK.set(self.0);
        }
    }
    let check: *const Check<'_> = stop;
    // SAFETY: only the lifetime changes, and `Restore` takes the pointer back before `stop` ends.
    let check: *const Check<'static> = unsafe { std::mem::transmute(check) };
    let _restore = Restore(CHECK.replace(Some(check)));
    work()
}

/// As [`interruptible`], but the check that the caller of this was lent counts as well.
pub(crate) fn interruptible_too<T>(stop: &Check<'_>, work: impl FnOnce() -> T) -> T {
    let outer = CHECK.get();
    // SAFETY: the call of `interruptible` that lent `outer` is further up on this thread's stack.
    let either = || stop() || outer.is_some_and(|check| unsafe { (*check)() });
    interruptible(&either, work)
}

/// Whether anybody can ask this thread's work to stop.
pub(crate) fn is_interruptible() -> bool {
    CHECK.get().is_some()
}

/// `Cancelled`, if the caller asks this thread's work to stop. What works for long within the library, such as a
/// [`Source`](crate::compute::Source), may ask.
///
/// # Errors
/// `Cancelled`.
pub fn check_interrupt() -> Result<()> {
    // SAFETY: `interruptible`, further up on this thread's stack, holds what the pointer refers to.
    let asked = CHECK.get().is_some_and(|check| unsafe { (*check)() });
    if asked { Err(interrupted()) } else { Ok(()) }
}

/// What work ends with that was asked to stop.
pub(crate) fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled, "interrupted; what was written is whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_check_counts_and_only_while_it_is_lent() {
        assert!(check_interrupt().is_ok());
        interruptible(&|| true, || {
            assert_eq!(check_interrupt().unwrap_err().kind(), ErrorKind::Cancelled);
            interruptible(&|| false, || assert!(check_interrupt().is_ok()));
            interruptible_too(&|| false, || assert!(check_interrupt().is_err()));
            assert!(check_interrupt().is_err());
            assert!(std::thread::spawn(check_interrupt).join().unwrap().is_ok());
        });
        let panicked = std::panic::catch_unwind(|| interruptible(&|| true, || panic!("in the work")));
        assert!(panicked.is_err() && check_interrupt().is_ok());
    }
}
