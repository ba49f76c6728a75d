//! Where the results of a pass go.

use std::sync::Mutex;

use crate::array::{Array, Listed};
use crate::base::buffer::{Order, Region, SharedViewMut, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::memory::lengths;
use crate::compute::stage::Root;

/// Where the elements of a result go.
pub(super) struct Sink<'a> {
    /// The expression that asked for them; `None` for later passes.
    pub(super) root: Option<&'a Root>,
    pub(super) place: Place<'a>,
}

/// What elements are written to, whose box is that of all of them.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Memory {
        out: &'a SharedViewMut<'a>,
        domain: &'a Domain,
    },
    Array(&'a Array),
    /// The labels that were met, and what their elements become.
    Table(&'a Mutex<Table>),
}

impl Place<'_> {
    /// The memory for a box of a result that has boxes, if it goes to memory.
    ///
    /// # Errors
    /// Those of boxes.
    pub(super) fn of_box(&self, part: &Domain) -> Result<Option<ViewMut<'_>>> {
        let Self::Memory { out, domain } = self else { return Ok(None) };
        // SAFETY: boxes of a result do not overlap, and the next one is begun when all of this one is put.
        Ok(Some(unsafe { out.region(&region(part, domain)?) }))
    }
}

/// What the elements of labels become: the labels, ascending, how many elements each has, and the bytes of the results.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) labels: Vec<i64>,
    pub(super) sizes: Vec<u64>,
    pub(super) elements: Vec<u8>,
}

impl Sink<'_> {
    pub(super) fn part(&self, part: &Domain) -> Result<Domain> {
        self.root.map_or_else(|| Ok(part.clone()), |root| root.place(part))
    }

    /// The memory for a box of the result, if it is dense in `order` and aligned as any element.
    pub(super) fn direct(&self, part: &Domain, order: Order) -> Result<Option<ViewMut<'_>>> {
        let Place::Memory { out, domain } = &self.place else { return Ok(None) };
        let part = self.part(part)?;
        // SAFETY: blocks of a pass do not overlap, and each is put once.
        let mut place = unsafe { out.region(&region(&part, domain)?) };
        let is_aligned = |bytes: &mut [u8]| bytes.as_ptr().align_offset(8) == 0;
        Ok(if place.as_dense_mut(order).is_some_and(is_aligned) { Some(place) } else { None })
    }

    /// Whether all elements are this one, or can be made it, before anything is put: the fill value of an array of which
    /// nothing is stored, or only what an earlier run has put.
    pub(super) fn begins_as(&self, element: &[u8], is_resumed: bool) -> Result<bool> {
        Ok(match &self.place {
            Place::Array(target) => {
                let is_empty = || {
                    Ok::<_, Error>(
                        matches!(target.listed_chunks()?, Listed::All(stored) if stored.is_empty()),
                    )
                };
                target.layout().fill.as_bytes() == element && (is_resumed || is_empty()?)
            }
            Place::Memory { .. } | Place::Table(_) => true,
        })
    }

    /// Has all elements in memory be this one.
    pub(super) fn fill(&self, element: &[u8]) -> Result<()> {
        if let Place::Memory { out, domain } = &self.place {
            // SAFETY: nothing has been put yet, and nothing is before this ends.
            unsafe { out.region(&region(domain, domain)?) }.fill(element);
        }
        Ok(())
    }

    /// Puts the elements of a box of the result, dense in `order`.
    pub(super) fn put(&self, part: &Domain, bytes: &[u8], item: usize, order: Order) -> Result<()> {
        let part = self.part(part)?;
        let made = View::dense(bytes, &lengths(&part)?, item, order)?;
        match &self.place {
            Place::Array(target) => target.write_from(&part, made),
            Place::Table(_) => Err(Error::unsupported("elements that are of no labels")),
            Place::Memory { out, domain } => {
                // SAFETY: blocks of a pass do not overlap, and each is put once.
                unsafe { out.region(&region(&part, domain)?) }.copy_from(&made);
                Ok(())
            }
        }
    }
}

/// The region of memory for `domain` that a box of it has.
fn region(part: &Domain, domain: &Domain) -> Result<Region> {
    let start = part.origin().iter().zip(domain.origin()).map(|(at, from)| at.abs_diff(*from) as usize);
    Ok(Region { start: start.collect(), step: Dims::from_elem(1, part.ndim()), count: lengths(part)? })
}
