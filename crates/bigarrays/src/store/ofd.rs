//! Locks on ranges of a file that belong to an open file description (OFD): they end with the last
//! process that has it, however that ends. Threads share a description, and forked children would, and keep its
//! locks when their parent dies: so locks are held through descriptors that children do not have.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use crate::run::pool::whole_across_forks;

/// A range of a file, which may lie beyond its end. A length of zero is all that follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u64,
    length: libc::off_t,
}

impl Span {
    pub(crate) const ALL: Self = Self { start: 0, length: 0 };

    pub(crate) const fn byte(start: u64) -> Self {
        Self { start, length: 1 }
    }

    /// Whether a lock of the bytes from `first` to `last` is in the way.
    #[cfg(target_os = "linux")]
    pub(crate) fn meets(self, first: u64, last: u64) -> bool {
        let end = if self.length == 0 { u64::MAX } else { self.start + self.length as u64 - 1 };
        first <= end && self.start <= last
    }
}

/// Whether a lock goes with others of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Shared,
    Exclusive,
}

#[cfg(not(target_vendor = "apple"))]
const COMMANDS: [libc::c_int; 2] = [libc::F_OFD_GETLK, libc::F_OFD_SETLK];
/// As `fcntl.h` has them.
#[cfg(target_vendor = "apple")]
const COMMANDS: [libc::c_int; 2] = [92, 90];
#[cfg(feature = "flat")]
const GET_LOCK: libc::c_int = COMMANDS[0];
const SET_LOCK: libc::c_int = COMMANDS[1];

/// Locks `span`, or fails if somebody else's lock is in the way. What is locked already changes its kind.
pub(crate) fn try_lock(file: impl AsFd, kind: Kind, span: Span) -> io::Result<()> {
    command(file, kind.value(), span, SET_LOCK).map(drop)
}

/// Whether [`try_lock`] failed because of somebody else's lock.
pub(crate) fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

pub(crate) fn unlock(file: impl AsFd, span: Span) -> io::Result<()> {
    command(file, libc::F_UNLCK as libc::c_int, span, SET_LOCK).map(drop)
}

/// Whether another description holds a lock in `span`.
#[cfg(feature = "flat")]
pub(crate) fn is_locked_elsewhere(file: impl AsFd, span: Span) -> io::Result<bool> {
    let found = command(file, Kind::Exclusive.value(), span, GET_LOCK)?;
    Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK as libc::c_int)
}

impl Kind {
    fn value(self) -> libc::c_int {
        match self {
            Self::Shared => libc::F_RDLCK as libc::c_int,
            Self::Exclusive => libc::F_WRLCK as libc::c_int,
        }
    }
}

fn command(file: impl AsFd, kind: libc::c_int, span: Span, command: libc::c_int) -> io::Result<libc::flock> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    // SAFETY: `flock` is a plain C structure, for which all zeros is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind.try_into().map_err(|_| invalid())?;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = libc::off_t::try_from(span.start).map_err(|_| invalid())?;
    lock.l_len = span.length;
    loop {
        // SAFETY: the descriptor is open and `lock` is the argument that these commands take.
        if unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, &mut lock) } == 0 {
            return Ok(lock);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A file through which locks are held. A forked child has `/dev/null` in its place, so that the locks end with
/// this process, and nothing that the child does changes them.
#[derive(Debug)]
pub(crate) struct Private<F> {
    file: F,
    noted: &'static Noted,
}

impl<F: AsFd> Private<F> {
    /// The file that `open` opens.
    pub(crate) fn open<E>(open: impl FnOnce() -> Result<F, E>) -> Result<Self, E> {
        whole_across_forks(|| {
            let file = open()?;
            let noted = note(file.as_fd().as_raw_fd());
            Ok(Self { file, noted })
        })
    }
}

impl<F> Deref for Private<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.file
    }
}

impl<F> DerefMut for Private<F> {
    fn deref_mut(&mut self) -> &mut F {
        &mut self.file
    }
}

impl<F> Drop for Private<F> {
    fn drop(&mut self) {
        self.noted.descriptor.store(NONE, Ordering::Release);
    }
}

/// A descriptor that no child is to have. These are never freed, as a child may look at them at any time, but
/// used again.
#[derive(Debug)]
struct Noted {
    descriptor: AtomicI32,
    next: *const Noted,
}

// SAFETY: `next` is never changed and leads to what is never freed.
unsafe impl Sync for Noted {}

/// In place of a descriptor.
const NONE: i32 = -1;

static FIRST: AtomicPtr<Noted> = AtomicPtr::new(ptr::null_mut());

/// Whether children look at what is noted.
static IS_HEEDED: AtomicBool = AtomicBool::new(false);

fn all_noted() -> impl Iterator<Item = &'static Noted> {
    // SAFETY: what is there was leaked.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    // SAFETY: as above.
    std::iter::successors(first, |noted| unsafe { noted.next.as_ref() })
}

fn note(descriptor: i32) -> &'static Noted {
    if !IS_HEEDED.load(Ordering::Acquire) {
        // Called twice, the handler does the same again.
        // SAFETY: the handler makes calls of the system alone.
        unsafe { libc::pthread_atfork(None, None, Some(give_up_inherited)) };
        IS_HEEDED.store(true, Ordering::Release);
    }
    let take = |noted: &&Noted| {
        let taken = noted.descriptor.compare_exchange(NONE, descriptor, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok()
    };
    if let Some(noted) = all_noted().find(take) {
        return noted;
    }
    let new = Box::leak(Box::new(Noted { descriptor: AtomicI32::new(descriptor), next: ptr::null() }));
    loop {
        let first = FIRST.load(Ordering::Acquire);
        new.next = first;
        if FIRST.compare_exchange(first, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return new;
        }
    }
}

/// Puts `/dev/null` in the place of each descriptor that is noted: closing them would leave their numbers to
/// others, while this process' memory still has them.
extern "C" fn give_up_inherited() {
    // SAFETY: the path is a text that ends in zero.
    let nothing = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if nothing < 0 {
        return;
    }
    for noted in all_noted() {
        let descriptor = noted.descriptor.load(Ordering::Acquire);
        if descriptor != NONE {
            // SAFETY: both descriptors are open, and the values that own this one own the new file then.
            unsafe { libc::dup2(nothing, descriptor) };
            // SAFETY: as above; what this process executes does not get it.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    // SAFETY: it was opened above and is used no longer.
    unsafe { libc::close(nothing) };
}
