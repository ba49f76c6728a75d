//! What commands with --resume have done to their end: the same command again says so, and does nothing.

use std::path::{Path, PathBuf};

use bigarrays::jobs::Done;
use bigarrays::{Error, ErrorKind, Result};

use crate::session::Session;

/// A command that makes something once, and can go on where it was stopped.
#[derive(Debug)]
pub(crate) struct Once<'a> {
    arguments: String,
    /// What it is made of, and the arrays or tables that are made.
    sources: Vec<&'a str>,
    made: Vec<PathBuf>,
    /// What tells what it is made of from what that is later, if elements are looked up as well.
    inputs: Option<String>,
    is_resumed: bool,
}

impl<'a> Once<'a> {
    /// The command of these arguments, all that its outcome depends on.
    pub(crate) fn new(arguments: &str, sources: &[&'a str], is_resumed: bool) -> Self {
        Self {
            arguments: arguments.to_owned(),
            sources: sources.to_vec(),
            made: Vec::new(),
            inputs: None,
            is_resumed,
        }
    }

    /// The same of inputs that are known by more than their metadata, or, without, not known: then nothing is noted.
    pub(crate) fn of(mut self, inputs: Option<String>) -> Self {
        self.is_resumed &= inputs.is_some();
        self.inputs = inputs;
        self
    }

    /// The same that makes an array or a table there as well.
    pub(crate) fn making(mut self, place: Option<impl AsRef<Path>>) -> Self {
        self.made.extend(place.map(|place| place.as_ref().to_owned()));
        self
    }

    /// Whether an earlier run has made all of it, which is then said.
    ///
    /// # Errors
    /// Those of looking it up.
    pub(crate) fn is_done(&self, session: &Session) -> Result<bool> {
        if !self.is_resumed {
            return Ok(false);
        }
        let Some(identity) = self.identity(session)? else { return Ok(false) };
        let said = Done::of(&session.job(&self.arguments)).said(&identity)?;
        if let Some(said) = &said {
            let is_seen = self.inputs.is_some();
            let unseen = if is_seen { "" } else { "; whether elements were changed since was not looked up" };
            session.terminal.note(format_args!(
                "an earlier run of this command has done it: {said}. Nothing was written{unseen}"
            ));
        }
        Ok(said.is_some())
    }

    /// Notes that all is made, with what the next run is to say.
    ///
    /// # Errors
    /// Those of noting it.
    pub(crate) fn note(&self, said: &str, session: &Session) -> Result<()> {
        match self.identity(session)?.filter(|_| self.is_resumed) {
            Some(identity) => Done::of(&session.job(&self.arguments)).note(&identity, said),
            None => Ok(()),
        }
    }

    /// An error of this command, which says so if an earlier run can be gone on with, or what removes what it has left.
    pub(crate) fn explained(&self, error: anyhow::Error, session: &Session) -> anyhow::Error {
        let kind = error.downcast_ref::<Error>().map(Error::kind);
        let has_begun = || session.journal_path(&self.arguments).is_some_and(|path| path.is_file());
        let is_left = |place: &&PathBuf| {
            let place = session.open().read_only(true).incomplete(true).open(&*place.to_string_lossy());
            place.is_ok_and(|array| array.incomplete().is_some())
        };
        if kind == Some(ErrorKind::AlreadyExists) && !self.is_resumed && has_begun() {
            return error.context(
                "an earlier run of this command was stopped; the same command with --resume goes on",
            );
        }
        match self.made.first().filter(|_| kind == Some(ErrorKind::AlreadyExists)).filter(is_left) {
            Some(place) if self.is_resumed || !has_begun() => error.context(format!(
                "to begin anew, remove what an earlier run has left: bigarrays rm {place:?}"
            )),
            _ => error,
        }
    }

    /// What tells what there is from anything else; `None` if what is made is not there.
    fn identity(&self, session: &Session) -> Result<Option<String>> {
        let made: Vec<_> = self.made.iter().map(|place| place.to_string_lossy()).collect();
        let made: Vec<&str> = made.iter().map(|place| &**place).collect();
        let identity = Done::identity(&made, &self.sources, &session.format())?;
        Ok(identity.map(|identity| match &self.inputs {
            Some(inputs) => format!("{identity} {inputs}"),
            None => identity,
        }))
    }
}
