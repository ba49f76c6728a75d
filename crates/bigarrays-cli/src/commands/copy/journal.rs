//! The journal of a call, by which the same command takes up what it has left.

use bigarrays::Result;
use bigarrays::jobs::Journal;
use bigarrays::store::absolute;

use crate::commands::copy::source::Copier;

impl Copier<'_> {
    /// The journal of this call, in the user's own folder; none where there is no such place.
    pub(super) fn journal(&self) -> Result<Option<Journal>> {
        let (source, target) = (absolute(&self.args.source), absolute(&self.args.target));
        match self.session.journal_path(&format!("{source:?} {target:?} {:?}", self.args.what)) {
            Some(path) => {
                let job = format!("copy {} {}", self.args.source, self.args.target);
                Ok(Some(Journal::open(path)?.of(&job)?))
            }
            None => {
                self.session.terminal.detail("no place for a journal (HOME): the copy cannot be resumed");
                Ok(None)
            }
        }
    }
}
