//! Locks that stay usable after a panic.
//!
//! No code of this crate panics on purpose, and what a lock guards is changed in single steps: its value is
//! whole even where a thread that held the lock has panicked. So nobody asks whether a lock is poisoned.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// [`Mutex`] without poisoning.
pub trait MutexExt {
    /// The guarded value.
    type Value;

    /// Waits for the lock.
    fn locked(&self) -> MutexGuard<'_, Self::Value>;

    /// The value of a mutex that nobody else refers to.
    fn value_mut(&mut self) -> &mut Self::Value;

    /// The value of a mutex that is not needed any more.
    fn into_value(self) -> Self::Value;
}

impl<T> MutexExt for Mutex<T> {
    type Value = T;

    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value_mut(&mut self) -> &mut T {
        self.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_value(self) -> T {
        self.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`RwLock`] without poisoning.
pub trait RwLockExt {
    /// The guarded value.
    type Value;

    /// Waits for the lock, which other readers may share.
    fn read_locked(&self) -> RwLockReadGuard<'_, Self::Value>;

    /// Waits for the lock alone.
    fn write_locked(&self) -> RwLockWriteGuard<'_, Self::Value>;
}

impl<T> RwLockExt for RwLock<T> {
    type Value = T;

    fn read_locked(&self) -> RwLockReadGuard<'_, T> {
        self.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_locked(&self) -> RwLockWriteGuard<'_, T> {
        self.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_usable_after_a_panic() {
        let (mutex, shared) = (Mutex::new(1), RwLock::new(2));
        let died = std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let _held = (mutex.lock(), shared.write());
                panic!("while both are held");
            });
            holder.join()
        });
        assert!(died.is_err() && mutex.is_poisoned() && shared.is_poisoned());
        assert_eq!(*shared.read_locked(), 2);
        *shared.write_locked() += *mutex.locked();
        assert_eq!(*shared.read_locked(), 3);
        assert_eq!(mutex.into_value(), 1);
    }
}
