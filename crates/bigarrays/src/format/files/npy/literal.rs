//! The part of Python's literals that headers consist of.

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};

/// As many axes as NumPy allows.
pub(crate) const MOST_AXES: usize = 64;

/// The part of a Python literal that is still to be read. Spaces between tokens are skipped.
pub(crate) struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(crate) fn starts_with(&self, token: char) -> bool {
        self.rest.trim_start().starts_with(token)
    }

    pub(crate) fn accept(&mut self, token: char) -> bool {
        self.rest = self.rest.trim_start();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    pub(crate) fn expect(&mut self, token: char) -> Result<()> {
        if self.accept(token) { Ok(()) } else { Err(self.unexpected(&format!("{token:?}"))) }
    }

    pub(crate) fn unexpected(&self, wanted: &str) -> Error {
        let found: String = self.rest.chars().take(20).collect();
        Error::metadata(format!("the header has {found:?} where {wanted} is expected"))
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        if self.rest.trim().is_empty() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    pub(crate) fn string(&mut self) -> Result<&'a str> {
        for quote in ['\'', '"'] {
            if self.accept(quote) {
                let (text, rest) = self.rest.split_once(quote).ok_or_else(|| self.unexpected("a string"))?;
                self.rest = rest;
                return Ok(text);
            }
        }
        Err(self.unexpected("a string"))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    pub(crate) fn shape(&mut self) -> Result<Dims<u64>> {
        let mut shape = Dims::new();
        self.expect('(')?;
        while !self.accept(')') {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(digits);
            shape.push(number.parse().map_err(|_| self.unexpected("a length"))?);
            // Python 2 wrote long integers as `5L`.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if shape.len() > MOST_AXES {
                return Err(Error::metadata(format!("more than {MOST_AXES} axes")));
            }
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}
