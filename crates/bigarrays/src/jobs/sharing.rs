//! Jobs that several processes share, pass by pass: one of them leads. It plans the blocks, has the others do shares of each pass, and
//! goes on with what they have left in a folder that all of them see: it finds blocks done as a later run finds those of an earlier one.

use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::PathBuf;

use roaring::RoaringTreemap;

use crate::base::error::{Error, Result};
use crate::compute::{Entries, Journal, Ledger, write_whole};
use crate::jobs::plan::CopyPlan;

/// What has others do all shares of a pass, of its number, from 0 on, and of the most shares that it can have.
pub type ShareOut = dyn Fn(u64, u64) -> Result<()> + Send + Sync;

/// What of a job this process does, where several share it.
pub struct Sharing {
    role: Role,
    ledger: Ledger,
}

enum Role {
    Leads { memory: u64, share_out: Box<ShareOut> },
    Shares(Share),
}

/// A share of a pass.
#[derive(Clone, Copy, Debug)]
struct Share {
    pass: u64,
    number: u64,
    of: u64,
}

/// Where blocks are cut along each axis, and which of them have anything to do.
pub(super) struct GivenBlocks {
    pub(super) cuts: Vec<(i64, u64)>,
    pub(super) only: Option<RoaringTreemap>,
}

/// The name of the file of these.
const BLOCKS: &str = "planned";

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = match &self.role {
            Role::Leads { .. } => None,
            Role::Shares(share) => Some(share),
        };
        f.debug_struct("Sharing").field("folder", &self.ledger.folder()).field("share", &share).finish()
    }
}

impl Sharing {
    /// The one who leads. Blocks are such that processes with so many bytes of memory can do them, unless that is zero, and
    /// `share_out` returns once all shares of a pass are done. The folder is to be empty, and is the caller's to remove.
    pub fn leading(folder: impl Into<PathBuf>, memory: u64, share_out: Box<ShareOut>) -> Self {
        let ledger = Ledger::shared(folder.into(), None);
        Self { role: Role::Leads { memory, share_out }, ledger }
    }

    /// One who does a share of a pass, the `number`-th from 0 on of so many. The job returns nothing that it has found then.
    pub fn share(folder: impl Into<PathBuf>, pass: u64, number: u64, of: u64) -> Self {
        let tasks = number..number.saturating_add(1);
        let ledger = Ledger::shared(folder.into(), Some((pass as usize, tasks)));
        Self { role: Role::Shares(Share { pass, number, of: of.max(1) }), ledger }
    }

    /// The pass of which a share is done here, unless this process leads.
    pub(super) fn own_pass(&self) -> Option<u64> {
        match &self.role {
            Role::Leads { .. } => None,
            Role::Shares(share) => Some(share.pass),
        }
    }

    /// The bytes that blocks may take, of which they could have `memory` if nobody shared the work.
    pub(super) fn memory(&self, memory: u64) -> u64 {
        match self.role {
            Role::Leads { memory: of_each, .. } if of_each > 0 => memory.min(of_each - of_each / 4),
            _ => memory,
        }
    }

    /// Which of so many tasks of a pass are to be looked at here: all of them once others have done them, or those of a share.
    ///
    /// # Errors
    /// Those of the others.
    pub(super) fn tasks(&self, pass: u64, tasks: u64, most_shares: u64) -> Result<Range<u64>> {
        match &self.role {
            Role::Leads { share_out, .. } => {
                if tasks > 0 {
                    share_out(pass, most_shares.clamp(1, tasks))?;
                }
                self.ledger.refresh();
                Ok(0..tasks)
            }
            Role::Shares(share) if share.pass == pass => {
                let end =
                    |number: u64| (u128::from(tasks) * u128::from(number) / u128::from(share.of)) as u64;
                Ok(end(share.number)..end(share.number.saturating_add(1)))
            }
            Role::Shares(_) => Ok(0..0),
        }
    }

    /// What is noted of the job that `what` describes.
    pub(super) fn entries(&self, what: &str) -> Entries<'_> {
        Entries::shared(&self.ledger, what)
    }

    /// The blocks as the one who leads has planned them; `None` if this process is to do so.
    ///
    /// # Errors
    /// `CorruptData` if they are damaged; any error of files.
    pub(super) fn blocks(&self) -> Result<Option<GivenBlocks>> {
        if self.own_pass().is_none() {
            return Ok(None);
        }
        let bytes = self.given(BLOCKS)?;
        let damaged = || self.damaged(BLOCKS);
        let (count, rest) = bytes.split_first().ok_or_else(damaged)?;
        let (cuts, only) = rest.split_at_checked(usize::from(*count) * 16).ok_or_else(damaged)?;
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        let cuts = cuts.chunks_exact(16).map(|cut| (word(&cut[..8]) as i64, word(&cut[8..]))).collect();
        let only = match only.is_empty() {
            true => None,
            false => Some(RoaringTreemap::deserialize_from(only).map_err(|_| damaged())?),
        };
        Ok(Some(GivenBlocks { cuts, only }))
    }

    /// Gives the blocks of a plan to the others, if this process leads.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn give_blocks(&self, plan: &CopyPlan) -> Result<()> {
        if self.own_pass().is_some() {
            return Ok(());
        }
        let mut bytes = vec![plan.blocks.cuts.len() as u8];
        for cuts in &plan.blocks.cuts {
            let (origin, step) = cuts.grid();
            bytes.extend((origin as u64).to_le_bytes());
            bytes.extend(step.to_le_bytes());
        }
        if let Some(only) = &plan.only {
            only.serialize_into(&mut bytes).map_err(|error| self.failed(error, BLOCKS))?;
        }
        self.give(BLOCKS, &bytes)
    }

    /// Gives bytes to the others, under a name.
    ///
    /// # Errors
    /// Any error of files.
    pub(super) fn give(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.path(name), bytes).map_err(|error| self.failed(error, name))
    }

    /// What the one who leads has given under this name.
    ///
    /// # Errors
    /// `CorruptData` if there is nothing; any error of files.
    pub(super) fn given(&self, name: &str) -> Result<Vec<u8>> {
        std::fs::read(self.path(name)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.damaged(name),
            _ => self.failed(error, name),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.ledger.folder().join(name)
    }

    fn damaged(&self, name: &str) -> Error {
        let reason = "what the processes of a job leave each other is gone or damaged; is the folder one that all of them see?";
        Error::corrupt(reason).at(self.path(name).display().to_string())
    }

    fn failed(&self, error: std::io::Error, name: &str) -> Error {
        Error::io(error, "sharing a job in", self.path(name).display().to_string())
    }
}

/// What is noted of the job that `what` describes, by processes that share it or by earlier runs.
pub(super) fn entries<'a>(
    (journal, sharing): (Option<&'a Journal>, Option<&'a Sharing>),
    what: &str,
) -> Option<Entries<'a>> {
    match sharing {
        Some(sharing) => Some(sharing.entries(what)),
        None => journal.map(|journal| journal.on(what)),
    }
}

/// Whether this process does a share alone.
pub(super) fn does_share(sharing: Option<&Sharing>) -> bool {
    sharing.is_some_and(|sharing| sharing.own_pass().is_some())
}
