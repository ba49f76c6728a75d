//! Arrays in Fortran order, turned into C order.

use std::ops::Range;

use super::source::{Entry, Source};
use crate::base::buffer::{Order, View};
use crate::base::error::{Error, ErrorKind, Result};

/// The most bytes of an array that are turned in memory.
const LARGEST: u64 = 1 << 30;

/// The arrays of a source, all in C order. One in Fortran order is read whole.
pub(super) struct InCOrder {
    source: Box<dyn Source>,
    /// The array that was turned to, if it is in Fortran order, and its elements once they were asked for.
    turned: Option<(Entry, Option<Vec<u8>>)>,
    at: usize,
}

impl InCOrder {
    pub(super) fn new(source: Box<dyn Source>) -> Self {
        Self { source, turned: None, at: 0 }
    }
}

impl Source for InCOrder {
    fn format(&self) -> &'static str {
        self.source.format()
    }

    fn version(&self) -> &str {
        self.source.version()
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(entry) = self.source.next()? else { return Ok(None) };
        let in_c_order = Entry::new(entry.name.clone(), entry.header.descr.clone(), &entry.header.shape)?;
        let is_turned = entry.header.order == Order::Fortran && entry.header.shape.len() > 1;
        if is_turned && entry.bytes()? > LARGEST {
            let reason = format!(
                "{} is in Fortran order and larger than {LARGEST} bytes; store it in C order",
                entry.called()
            );
            return Err(Error::new(ErrorKind::MemoryBudget, reason));
        }
        (self.turned, self.at) = (is_turned.then_some((entry, None)), 0);
        Ok(Some(in_c_order))
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        let Some((entry, elements)) = &mut self.turned else { return self.source.read(out) };
        let elements = match elements {
            Some(elements) => elements,
            None => elements.insert(turn(&mut *self.source, entry)?),
        };
        out.copy_from_slice(&elements[self.at..self.at + out.len()]);
        self.at += out.len();
        Ok(())
    }

    fn names(&self) -> Result<Vec<(String, Range<u64>)>> {
        self.source.names()
    }

    fn note(&self) -> Option<String> {
        self.source.note()
    }
}

fn turn(source: &mut dyn Source, entry: &Entry) -> Result<Vec<u8>> {
    let (mut bytes, mut turned) = (vec![0; entry.bytes()? as usize], Vec::new());
    source.read(&mut bytes)?;
    let shape: Vec<usize> = entry.header.shape.iter().map(|&length| length as usize).collect();
    let view = View::dense(&bytes, &shape, entry.header.descr.size() as usize, Order::Fortran)?;
    view.append_to(Order::C, &mut turned)?;
    Ok(turned)
}
