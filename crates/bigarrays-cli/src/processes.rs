//! Processes of this machine that share the work of a command: each of them is the same command again, with the share that it is to do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::{ChildStdin, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;
use bigarrays::base::sync::MutexExt;
use bigarrays::{Error, ErrorKind};

use crate::interrupt;
use crate::output::{ExitCode, ShareFailed};

/// How many shares each process has: who is slow has the last one for long.
pub(crate) const SHARES: u64 = 4;

/// How often a share is given to another process where one was lost.
const TRIES: usize = 3;

/// How long Ctrl-C is not looked for.
const PATIENCE: Duration = Duration::from_millis(100);

/// What has become of a share, by its number: what its process has printed.
type Outcome = (usize, anyhow::Result<Vec<u8>>);

/// What a share is called that a process does: words that the command knows, with `:` between them.
#[derive(Clone, Debug)]
pub(crate) struct Share(String);

impl Share {
    /// The first words, which are numbers, and all that is behind them as one.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many, or one is no number.
    pub(crate) fn read<const N: usize>(&self) -> bigarrays::Result<([u64; N], &str)> {
        let none = || Error::invalid(format!("{} is no share of this command", self.0));
        let (mut numbers, mut rest) = ([0; N], &*self.0);
        for number in &mut numbers {
            let (word, behind) = rest.split_once(':').unwrap_or((rest, ""));
            *number = word.parse().map_err(|_| none())?;
            rest = behind;
        }
        Ok((numbers, rest))
    }
}

impl From<&str> for Share {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Has so many processes do shares of the command that this process was started with, each one after the other. `done` is called with
/// the number of each share that is done, and with what its process has printed. The shares of a process that is lost are given to another one.
///
/// # Errors
/// The first one of a process, after which the others stop; those of `done`; `Cancelled`.
pub(crate) fn share_out(
    processes: NonZeroUsize,
    shares: Vec<String>,
    done: &mut dyn FnMut(usize, Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    interrupt::watch()?;
    let (count, shares) = (shares.len(), Mutex::new(shares.into_iter().enumerate()));
    let (running, (ended, outcomes)) = (Running::default(), mpsc::channel());
    std::thread::scope(|scope| {
        for _ in 0..processes.get().min(count) {
            let (ended, shares, running) = (ended.clone(), &shares, &running);
            scope.spawn(move || {
                loop {
                    // The lock is not held while the share is done.
                    let next = shares.locked().next();
                    let Some((number, share)) = next else { return };
                    let outcome: Outcome = (number, running.run(&share));
                    // Nobody receives once another process has failed.
                    if ended.send(outcome).is_err() {
                        return;
                    }
                }
            });
        }
        drop(ended);
        let outcome = collect(outcomes, done);
        running.stop();
        outcome
    })
}

/// Has `done` know of each share, until all are done.
fn collect(
    outcomes: Receiver<Outcome>,
    done: &mut dyn FnMut(usize, Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        match outcomes.recv_timeout(PATIENCE) {
            Ok((number, printed)) => done(number, printed.inspect_err(repeat)?)?,
            Err(RecvTimeoutError::Timeout) if interrupt::is_asked() => {
                return Err(Error::new(ErrorKind::Cancelled, "the command was stopped").into());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Says what a process has said that has failed.
fn repeat(error: &anyhow::Error) {
    let failed = error.downcast_ref::<ShareFailed>().filter(|failed| failed.code != ExitCode::Interrupted);
    if let Some(failed) = failed {
        // Where standard error is closed, nobody can be told.
        let _ = io::stderr().write_all(&failed.said);
    }
}

/// The processes that are at a share: each ends soon once its standard input is at its end.
#[derive(Default)]
struct Running(Mutex<(bool, BTreeMap<u32, ChildStdin>)>);

impl Running {
    /// Has all of them stop, and no other one begin.
    fn stop(&self) {
        *self.0.locked() = (true, BTreeMap::new());
    }

    /// Has a process do a share, and another one if that is lost. Gives what it has printed.
    fn run(&self, share: &str) -> anyhow::Result<Vec<u8>> {
        for _ in 0..=TRIES {
            let Some((process, Output { status, stdout, stderr })) = self.once(share)? else { break };
            match status.code() {
                Some(0) => return Ok(stdout),
                Some(code) => {
                    let (share, code) = (share.to_owned(), ExitCode::of(code));
                    return Err(ShareFailed { share, process, said: stderr, code }.into());
                }
                // It was killed.
                None => {}
            }
        }
        let reason = format!("{} processes were lost, one after the other", TRIES + 1);
        Err(Error::new(ErrorKind::Storage, reason).during("doing share").at(share).into())
    }

    /// What a process has done of a share; `None` if all are to stop.
    fn once(&self, share: &str) -> anyhow::Result<Option<(u32, Output)>> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command.args(again(share)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, process) = {
            let mut running = self.0.locked();
            if running.0 {
                return Ok(None);
            }
            let mut child = command.spawn().context("starting a process")?;
            let process = child.id();
            running.1.extend(child.stdin.take().map(|input| (process, input)));
            (child, process)
        };
        let output = child.wait_with_output();
        self.0.locked().1.remove(&process);
        Ok(Some((process, output.context("waiting for a process")?)))
    }
}

/// The arguments of this process, and the share that another one with these is to do.
fn again(share: &str) -> Vec<OsString> {
    let own = std::env::args_os().skip(1);
    [OsString::from("--share"), share.into()].into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbers_and_a_word() {
        let share = Share::from("3:8:1/x:y");
        assert_eq!(share.read::<2>().unwrap(), ([3, 8], "1/x:y"));
        assert!(share.read::<3>().is_err() && Share::from("3").read::<2>().is_err());
        assert_eq!(Share::from("3").read::<1>().unwrap(), ([3], ""));
    }
}
