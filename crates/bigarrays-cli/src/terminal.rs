//! Messages for people, on standard error; results go to standard output.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    quiet: bool,
    verbose: bool,
}

impl Terminal {
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// Says something unless asked to be quiet.
    pub(crate) fn note(self, text: impl Display) {
        if !self.quiet {
            // Where standard error is closed, nobody can be told.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says something if asked to be verbose.
    pub(crate) fn detail(self, text: impl Display) {
        if self.verbose {
            self.note(text);
        }
    }

    /// Whether nothing but errors is said.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Asks a question of yes or no; `None` if there is nobody to ask.
    pub(crate) fn confirm(self, question: impl Display) -> io::Result<Option<bool>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        write!(io::stderr(), "{question} [y/N] ")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }
}

/// Standard output for results. Its errors, such as a closed pipe, are returned.
pub(crate) fn results() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Says that a lock is waited for, however quiet the call is: it may be for ever.
pub(crate) fn note_wait(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}
