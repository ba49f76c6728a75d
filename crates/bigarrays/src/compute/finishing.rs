//! Cells of passes that reduce elements, as the elements that they are.

use crate::base::buffer::Order;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::compute::block::{Folds, Held};
use crate::compute::finish::Finished;
use crate::compute::partials::Segments;
use crate::compute::reducing::Reducing;
use crate::compute::reduction::Method;
use crate::compute::sink::{Place, Sink};
use crate::compute::sparse::Sparse;
use crate::compute::spread::Spread;
use crate::compute::stage::Output;

impl Reducing<'_> {
    /// For each result, its element where nothing is stored of what it is of.
    pub(super) fn of_nothing(&self, sparse: &Sparse) -> Result<Vec<Vec<u8>>> {
        let mut cells = self.nothing(1);
        self.add_elsewhere(sparse, &mut cells.held)?;
        let finished = self.finished(&cells.sizes, 1);
        let one = |((held, method), output): ((Held, &Method), &Output)| {
            let words = finished.elements(held, *method, output)?;
            Ok(bytemuck::cast_slice(&words)[..output.dtype.size()].to_vec())
        };
        cells.held.into_iter().zip(&self.methods).zip(&self.stage.outputs).map(one).collect()
    }

    /// Folds an element of what is not stored into all cells.
    fn add_elsewhere(&self, sparse: &Sparse, cells: &mut [Held]) -> Result<()> {
        for ((held, method), element) in cells.iter_mut().zip(&self.methods).zip(&sparse.elsewhere) {
            let mut word = 0u64;
            bytemuck::bytes_of_mut(&mut word).copy_from_slice(element);
            let values = vec![word; held.values.len()];
            let one = Held { values, beside: Vec::new(), firsts: Vec::new(), means: Vec::new() };
            held.merge(*method, &one);
        }
        Ok(())
    }

    /// How cells become elements, where cells of neighbouring groups are so far apart.
    fn finished<'s>(&'s self, sizes: &'s [u64], stride: usize) -> Finished<'s> {
        let first = match self.folding.axes[..] {
            [axis] => self.stage.domain.origin()[axis],
            _ => 0,
        };
        Finished { lengths: &self.lengths, first, sizes, stride, group: 0 }
    }

    /// Folds the cells of all segments, in their order, and puts the elements that they are.
    pub(super) fn finish(
        &self,
        kept: &Domain,
        partials: Segments,
        has_missing: bool,
        sinks: &[Vec<Sink<'_>>],
    ) -> Result<()> {
        let mut all = partials.into_values();
        let mut cells = match all.next() {
            Some(cells) => cells,
            None => self.nothing(kept.checked_len()? as usize),
        };
        all.try_for_each(|partial| cells.merge(&self.methods, &partial))?;
        if let Some(sparse) = self.sparse.as_ref().filter(|_| has_missing) {
            self.add_elsewhere(sparse, &mut cells.held)?;
        }
        if cells.slots.is_some() {
            return self.finish_labels(kept, cells, sinks);
        }
        let part = self.stage.placed(kept)?;
        let (count, stride) = (part.checked_len()? as usize, self.by(kept).map_or(1, |by| by.stride));
        let Folds { held, sizes, .. } = cells;
        let finished = self.finished(&sizes, stride);
        for (number, (held, method)) in held.into_iter().zip(&self.methods).enumerate() {
            let output = &self.stage.outputs[number];
            let elements = finished.elements(held, *method, output)?;
            let bytes = &bytemuck::cast_slice(&elements)[..count * output.dtype.size()];
            sinks[number]
                .iter()
                .try_for_each(|sink| sink.put(&part, bytes, output.dtype.size(), Order::C))?;
        }
        Ok(())
    }

    /// Puts the elements that cells of labels are, which have so many places each.
    fn finish_labels(&self, kept: &Domain, cells: Folds, sinks: &[Vec<Sink<'_>>]) -> Result<()> {
        let Folds { held, sizes, slots: Some(slots) } = cells else { return Ok(()) };
        let Some(by) = &self.stage.by else { return Ok(()) };
        let labels = slots.labels();
        let mut order: Vec<usize> = (0..labels.len()).collect();
        match by.groups.labels {
            Some(DataType::U64) => order.sort_unstable_by_key(|&slot| labels[slot].cast_unsigned()),
            _ => order.sort_unstable_by_key(|&slot| labels[slot]),
        }
        let finished = self.finished(&sizes, slots.cells);
        for (number, (held, method)) in held.into_iter().zip(&self.methods).enumerate() {
            let output = &self.stage.outputs[number];
            let elements = finished.elements(held, *method, output)?;
            let elements: &[u8] = bytemuck::cast_slice(&elements);
            let item = output.dtype.size();
            let places = |slot: usize| &elements[slot * slots.cells * item..(slot + 1) * slots.cells * item];
            for sink in &sinks[number] {
                if let Place::Table(table) = &sink.place {
                    let table = &mut *table.locked();
                    table.elements = order.iter().flat_map(|&slot| places(slot)).copied().collect();
                    // Results of a pass have their labels once.
                    if number == 0 {
                        table.labels = order.iter().map(|&slot| labels[slot]).collect();
                        table.sizes = order.iter().map(|&slot| sizes[slot]).collect();
                    }
                    continue;
                }
                let part = self.stage.placed(kept)?;
                let empty = || self.of_no_elements(number, labels, &order);
                let spread = Spread { kept, at: self.folding.axes[0], count: by.groups.len(), item };
                let all = spread.all(labels, &order, elements, empty)?;
                sink.put(&part, &all, item, Order::C)?;
            }
        }
        Ok(())
    }

    /// The element of a group that was not met.
    fn of_no_elements(&self, number: usize, labels: &[i64], order: &[usize]) -> Result<Vec<u8>> {
        let (method, output) = (self.methods[number], &self.stage.outputs[number]);
        // Labels ascend in this order.
        let first = order.iter().enumerate().position(|(at, &slot)| labels[slot] != at as i64);
        let group = first.unwrap_or(order.len()) as u64;
        let finished = Finished { group, ..self.finished(&[0], 1) };
        let words = finished.elements(Held::new(method, 1), method, output)?;
        Ok(bytemuck::cast_slice(&words)[..output.dtype.size()].to_vec())
    }
}
