//! Messages for people, on standard error; results go to standard output.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use bigarrays::base::text::{is_unseen, shown};
use bigarrays::format::text;
use serde_json::Value;

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
            let _ = writeln!(io::stderr(), "{}", lines(&text.to_string()));
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
        write!(io::stderr(), "{} [y/N] ", lines(&question.to_string()))?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }
}

/// Says that a lock is waited for, however quiet the call is: it may be for ever.
pub(crate) fn note_wait(sentence: &str) {
    let _ = writeln!(io::stderr(), "{}", lines(sentence));
}

/// Text of several lines as it may be shown: without secrets, and without what would change the terminal.
pub(crate) fn lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Standard output for results. Its errors, such as a closed pipe, are returned.
pub(crate) fn results() -> Results {
    Results(BufWriter::new(io::stdout().lock()))
}

/// Standard output, which no text of a file or server can change: control characters but tabs and ends of
/// lines are escaped. What must stay in its line or column is escaped before, by `printable`.
pub(crate) struct Results(BufWriter<StdoutLock<'static>>);

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match escaped(bytes) {
            Some(text) => self.0.write_all(text.as_bytes()).map(|()| bytes.len()),
            None => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn is_escaped(c: char) -> bool {
    is_unseen(c) && !matches!(c, '\n' | '\t')
}

/// The text with escapes; `None` if it needs none.
fn escaped(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains(is_escaped))?;
    let escape = |c: char| if is_escaped(c) { c.escape_default().to_string() } else { c.to_string() };
    Some(text.chars().map(escape).collect())
}

/// JSON on several lines, in which all control characters are escaped, also those that JSON allows.
pub(crate) fn pretty(value: &Value) -> String {
    let escape = |c: char| match is_unseen(c) && c != '\n' {
        true => format!("\\u{:04x}", c as u32),
        false => c.to_string(),
    };
    let text = text::pretty(value);
    if text.contains(is_escaped) { text.chars().map(escape).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_changes_the_terminal() {
        assert_eq!(lines("a\u{1b}\nhttp://me:hush@h/"), "a\\u{1b}\nhttp://…@h/");
        assert_eq!(escaped("a\tä\n".as_bytes()), None);
        assert_eq!(escaped("\u{1b}]0;x\u{7}\n".as_bytes()).unwrap(), "\\u{1b}]0;x\\u{7}\n");
        let value = Value::from(vec!["\u{1b}\n\u{9b}\u{202e}"]);
        let text = pretty(&value);
        assert_eq!(text, "[\n  \"\\u001b\\n\\u009b\\u202e\"\n]");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
