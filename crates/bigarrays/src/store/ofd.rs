//! Locks on ranges of a file that belong to an open file description (OFD): they end with the last
//! process that has it, however that ends. Threads, and forked children, share a description.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

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
}

/// Whether a lock goes with others of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Shared,
    Exclusive,
}

#[cfg(not(target_vendor = "apple"))]
const COMMANDS: [libc::c_int; 3] = [libc::F_OFD_GETLK, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
/// As `fcntl.h` has them.
#[cfg(target_vendor = "apple")]
const COMMANDS: [libc::c_int; 3] = [92, 90, 91];
const GET_LOCK: libc::c_int = COMMANDS[0];
const SET_LOCK: libc::c_int = COMMANDS[1];
const SET_LOCK_AND_WAIT: libc::c_int = COMMANDS[2];

/// Locks `span`, once nobody else's lock is in the way. What is locked already changes its kind.
pub(crate) fn lock(file: impl AsFd, kind: Kind, span: Span) -> io::Result<()> {
    command(file, kind.value(), span, SET_LOCK_AND_WAIT).map(drop)
}

/// As [`lock`], or an error if somebody else's lock is in the way.
pub(crate) fn try_lock(file: impl AsFd, kind: Kind, span: Span) -> io::Result<()> {
    command(file, kind.value(), span, SET_LOCK).map(drop)
}

pub(crate) fn unlock(file: impl AsFd, span: Span) -> io::Result<()> {
    command(file, libc::F_UNLCK as libc::c_int, span, SET_LOCK).map(drop)
}

/// Whether another description holds a lock in `span`.
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
