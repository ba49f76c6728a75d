//! Reports for people and for programs.

use std::fmt;

use serde_json::{Value, json};

use crate::base::text::{redact, shown};
use crate::jobs::verify::report::{ArrayReport, Findings, Problem, Report, Stray};

/// Problems and others of a kind that people are shown of one array.
const SHOWN: usize = 20;

impl Report {
    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "whole": self.is_whole(),
            "problem_count": self.problem_count(),
            "arrays": self.arrays.iter().map(ArrayReport::to_json).collect::<Vec<_>>(),
        })
    }
}

impl ArrayReport {
    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "url": redact(&self.url),
            "format": self.format,
            "scale": self.scale,
            "domain": self.domain.as_ref().map(ToString::to_string),
            "whole": self.is_whole(),
            "chunks": self.chunks,
            "stored": self.stored,
            "missing": self.missing,
            "bytes": self.bytes,
            "names": self.names,
            "listed": self.listed,
            "problem_count": self.problems.count,
            "problems": self.problems.first.iter().map(Problem::to_json).collect::<Vec<_>>(),
            "leftovers": strays_json(&self.leftovers),
            "strangers": strays_json(&self.strangers),
            "notes": { "count": self.notes.count, "first": self.notes.first.iter().map(|note| redact(note)).collect::<Vec<_>>() },
            "comparison": self.comparison.as_ref().map(crate::jobs::verify::Comparison::to_json),
        })
    }
}

impl Problem {
    /// The problem as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.name(),
            "key": self.key.as_deref().map(redact),
            "domain": self.domain.as_ref().map(ToString::to_string),
            "message": self.message,
        })
    }
}

fn strays_json(strays: &Findings<Stray>) -> Value {
    let first = strays.first.iter().map(|stray| json!({ "key": redact(&stray.key), "bytes": stray.bytes }));
    json!({ "count": strays.count, "first": first.collect::<Vec<_>>() })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arrays.iter().try_for_each(|array| array.fmt(f))?;
        let arrays = self.arrays.iter().filter(|array| array.domain.is_some());
        match (self.problem_count(), arrays.count()) {
            (0, 1) => write!(f, "whole"),
            (0, count) => write!(f, "{count} arrays, all whole"),
            (1, _) => write!(f, "1 problem"),
            (count, _) => write!(f, "{count} problems"),
        }
    }
}

/// A line that says how many chunks there are, and further ones for what was found.
impl fmt::Display for ArrayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown(&self.url))?;
        if let Some(scale) = &self.scale {
            write!(f, " scale {}", shown(scale))?;
        }
        match &self.domain {
            None if self.format.is_empty() => writeln!(f, ": not opened")?,
            // What is not an array itself: the names that several have in common.
            None => writeln!(f, ": {}", self.format)?,
            Some(_) => {
                write!(f, ": {}, {} of {} chunks stored", self.format, self.stored, self.chunks)?;
                writeln!(f, " in {} bytes, {} missing", self.bytes, self.missing)?;
            }
        }
        if let Some(names) = self.names {
            writeln!(f, "  {names} names")?;
        }
        self.problems.first.iter().take(SHOWN).try_for_each(|problem| writeln!(f, "  {problem}"))?;
        write_more(f, self.problems.count)?;
        for (strays, what) in
            [(&self.leftovers, "left by a dead writer"), (&self.strangers, "not of the array")]
        {
            for stray in strays.first.iter().take(SHOWN) {
                writeln!(f, "  note: {}, {} bytes, {what}", shown(&stray.key), stray.bytes)?;
            }
            write_more(f, strays.count)?;
        }
        let notes = self.notes.first.iter().take(SHOWN);
        notes.into_iter().try_for_each(|note| writeln!(f, "  note: {}", shown(note)))?;
        write_more(f, self.notes.count)?;
        if self.domain.is_some() && !self.listed {
            writeln!(f, "  note: not listed, so that what lies beside the chunks was not looked at")?;
        }
        self.comparison.iter().try_for_each(|comparison| writeln!(f, "  {comparison}"))
    }
}

fn write_more(f: &mut fmt::Formatter<'_>, count: u64) -> fmt::Result {
    match count.saturating_sub(SHOWN as u64) {
        0 => Ok(()),
        more => writeln!(f, "  … and {more} more"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind.name())?;
        if let Some(domain) = &self.domain {
            write!(f, "[{domain}] ")?;
        }
        match &self.key {
            Some(key) if !self.message.contains(&*shown(key)) => {
                write!(f, "{}: {}", shown(key), shown(&self.message))
            }
            _ => f.write_str(&shown(&self.message)),
        }
    }
}
