//! Every combination of coordinates along each axis: each chunk that has some of them is read, or changed, once.

use std::ops::Range;

use ndarray::{ArrayD, ArrayView, Dimension};

use crate::array::decode::decode;
use crate::array::points::BATCH;
use crate::array::read::{fetch, request};
use crate::array::stored::Stored;
use crate::array::write::change_chunk;
use crate::array::{Array, AxisMap, Cutout, Outside, OutsidePoints};
use crate::base::buffer::{Order, Pair, Region, SharedViewMut, View, ViewMut, try_first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::grid::ChunkProjection;
use crate::chunk::layout::Layout;
use crate::store::{Blob, Destinations, Get, Update};

/// Coordinates along one axis.
#[derive(Clone, Copy, Debug)]
pub enum Coordinates<'a> {
    /// All of the domain, which may reach outside of what is stored, as that of a view of a box does.
    All,
    /// These, in their order; some may be there several times.
    At(&'a [i64]),
}

impl Array {
    /// Reads the elements at every combination of the coordinates along each axis; index `k` of the result along an axis is
    /// the coordinate `k` that `axes` has there. Each chunk is read and decoded at most once, by all threads; memory is
    /// that of the result, the coordinates and a chunk a thread.
    ///
    /// ```
    /// use bigarrays::{Coordinates, CreateSpec, DataType, OpenOptions, OutsidePoints, ndarray::Array2};
    ///
    /// let spec = CreateSpec::new(DataType::U16, "0:100,0:80".parse()?);
    /// let array = OpenOptions::new().format("zarr2").create("memory://outer", &spec)?;
    /// array.write(&[3, 20], Array2::<u16>::from_elem((5, 5), 7).view())?;
    /// let axes = [Coordinates::At(&[40, 5, 5]), Coordinates::All];
    /// let rows = array.read_outer::<u16>(&axes, OutsidePoints::Error)?;
    /// assert_eq!((rows.shape(), rows[[1, 22]], rows[[2, 24]], rows[[0, 22]]), (&[3, 80][..], 7, 7, 0));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not the array's type or there are not as many `axes` as the array has; `OutOfBounds`
    /// naming the first coordinate outside of the domain, unless that reads as fill; `CorruptData` or a storage error
    /// naming the chunk.
    pub fn read_outer<T: Element>(
        &self,
        axes: &[Coordinates<'_>],
        outside: OutsidePoints,
    ) -> Result<ArrayD<T>> {
        self.expect_type(T::DTYPE)?;
        let all = Domain::from_shape(&self.outer_shape(axes)?)?;
        let fill = |out: ViewMut<'_>| self.read_outer_into(axes, out, outside);
        Ok(Cutout::filled_by(&all, self.order(), fill)?.into_data())
    }

    /// As [`Array::read_outer`], into `out`, of as many elements along each axis as there are coordinates.
    ///
    /// # Errors
    /// As [`Array::read_outer`]; `InvalidArgument` if `out` has another shape or item size.
    pub fn read_outer_into(
        &self,
        axes: &[Coordinates<'_>],
        out: ViewMut<'_>,
        outside: OutsidePoints,
    ) -> Result<()> {
        self.expect_buffer(&Domain::from_shape(&self.outer_shape(axes)?)?, out.shape(), out.item())?;
        let (stored, strict) = (&self.stored, self.stored.options.strict);
        let wanted =
            Combinations::new(self, axes, &stored.layout, outside == OutsidePoints::Fill && !strict)?;
        if wanted.has_outside && strict {
            return Err(self.domain_error(&stored.layout));
        }
        let mut out = out.arranged(&wanted.visible);
        if wanted.has_outside {
            out.fill(stored.layout.fill.as_bytes());
        }
        let out = out.share();
        for batch in wanted.batches() {
            read_batch(stored, &wanted, &batch, &out)?;
        }
        Ok(())
    }

    /// Writes `data` to every combination of the coordinates along each axis, as [`Array::read_outer`] reads it. Each
    /// chunk is changed once, so that no other writer's change is lost; of coordinates that are there twice, the last
    /// counts.
    ///
    /// # Errors
    /// As [`Array::write`]; `OutOfBounds` naming the first coordinate outside of the domain, and then nothing was written,
    /// unless [`Outside::Crop`] is set.
    pub fn write_outer<T: Element, D: Dimension>(
        &self,
        axes: &[Coordinates<'_>],
        data: ArrayView<'_, T, D>,
    ) -> Result<()> {
        self.expect_type(T::DTYPE)?;
        self.write_outer_from(axes, View::of_array(&data))
    }

    /// As [`Array::write_outer`], from `source`, of as many elements along each axis as there are coordinates.
    ///
    /// # Errors
    /// As [`Array::write_outer`]; `InvalidArgument` if `source` has another shape or item size.
    pub fn write_outer_from(&self, axes: &[Coordinates<'_>], source: View<'_>) -> Result<()> {
        self.expect_buffer(&Domain::from_shape(&self.outer_shape(axes)?)?, source.shape(), source.item())?;
        self.expect_writable()?;
        let leaves_out = self.stored.options.outside == Outside::Crop;
        for layout in self.stored.layouts() {
            let mut wanted = Combinations::new(self, axes, layout, leaves_out)?;
            if wanted.has_outside && !leaves_out {
                return Err(self.domain_error(layout).during("writing"));
            }
            wanted.keep_last();
            let source = source.clone().arranged(&wanted.visible);
            for batch in wanted.batches() {
                write_batch(&self.stored, &wanted, &batch, &source)?;
            }
        }
        Ok(())
    }

    /// The number of coordinates along each axis.
    fn outer_shape(&self, axes: &[Coordinates<'_>]) -> Result<Dims<u64>> {
        if axes.len() != self.ndim() {
            let (given, ndim) = (axes.len(), self.ndim());
            return Err(Error::invalid(format!(
                "coordinates along {given} axes for an array of {ndim} axes"
            )));
        }
        let length = |(axis, &length): (&Coordinates<'_>, &u64)| match axis {
            Coordinates::All => length,
            Coordinates::At(all) => all.len() as u64,
        };
        Ok(axes.iter().zip(self.shape()).map(length).collect())
    }

    #[cold]
    fn domain_error(&self, layout: &Layout) -> Error {
        let message = format!("the selection reaches outside the stored domain {}", layout.domain());
        Error::new(ErrorKind::OutOfBounds, message).at(self.url())
    }
}

/// A coordinate along a stored axis.
#[derive(Clone, Copy, Debug)]
struct Along {
    /// From the first stored element on.
    at: u64,
    /// Index in the result.
    output: usize,
}

/// All combinations of coordinates along each stored axis, by the chunks that they lie in.
struct Combinations<'a> {
    layout: &'a Layout,
    /// The coordinates along each stored axis, from the lowest to the highest.
    along: Dims<Vec<Along>>,
    /// The axis of the result that each stored one is, if any.
    visible: Dims<Option<usize>>,
    /// Whether some coordinates were left out.
    has_outside: bool,
}

impl<'a> Combinations<'a> {
    /// Of `axes` of what `array` shows. Listed coordinates outside are left out if `leaves_out`, and those of all of a
    /// domain always.
    fn new(array: &Array, axes: &[Coordinates<'_>], layout: &'a Layout, leaves_out: bool) -> Result<Self> {
        let mut found = Self {
            layout,
            along: Dims::new(),
            visible: array.view.axes.iter().map(AxisMap::axis).collect(),
            has_outside: false,
        };
        for (stored, map) in array.view.axes.iter().enumerate() {
            let range = layout.domain().range(stored);
            let mut along = Vec::new();
            let mut place = |coordinate: i64, output: usize| -> bool {
                let at = map.stored(|_| coordinate).filter(|at| range.contains(at));
                let Some(at) = at else { return false };
                along.push(Along { at: at.abs_diff(range.start), output });
                true
            };
            match map.axis().map(|axis| (axis, axes[axis])) {
                None => found.has_outside |= !place(0, 0),
                Some((axis, Coordinates::All)) => {
                    for (output, coordinate) in array.domain().range(axis).enumerate() {
                        found.has_outside |= !place(coordinate, output);
                    }
                }
                Some((axis, Coordinates::At(listed))) => {
                    let domain = array.domain().range(axis);
                    for (output, &coordinate) in listed.iter().enumerate() {
                        if domain.contains(&coordinate) && place(coordinate, output) {
                            continue;
                        }
                        if !leaves_out {
                            return Err(outside(array, axis, coordinate));
                        }
                        found.has_outside = true;
                    }
                }
            }
            along.sort_by_key(|one| one.at);
            found.along.push(along);
        }
        Ok(found)
    }

    /// Of coordinates that are there several times keeps the last.
    fn keep_last(&mut self) {
        for along in &mut self.along {
            along.reverse();
            along.dedup_by_key(|one| one.at);
            along.reverse();
        }
    }

    /// Chunks with some elements, each as the coordinates in it along each axis; so many at once, and those of a shard
    /// together.
    fn batches(&self) -> impl Iterator<Item = Vec<Dims<Range<usize>>>> + '_ {
        let (block, chunk) = (self.layout.write_shape(), self.layout.grid.chunk_shape());
        let shards: Dims<Vec<Range<usize>>> = (0..chunk.len())
            .map(|axis| groups(&self.along[axis], 0, chunk[axis].saturating_mul(block[axis].max(1))))
            .collect();
        let order = self.layout.order;
        let mut chunks = combinations(shards, order).flat_map(move |shard| {
            let within = shard.iter().enumerate();
            let along = within
                .map(|(axis, range)| groups(&self.along[axis][range.clone()], range.start, chunk[axis]));
            combinations(along.collect(), order)
        });
        std::iter::from_fn(move || {
            let batch: Vec<_> = chunks.by_ref().take(BATCH).collect();
            (!batch.is_empty()).then_some(batch)
        })
    }

    /// The part of a chunk that has its elements: a box around them.
    fn part(&self, chunk: &[Range<usize>]) -> ChunkProjection {
        let grid = &self.layout.grid;
        let mut index: Dims<u64> = Dims::new();
        let mut in_chunk = Region::whole(&Dims::from_elem(1, chunk.len()));
        for (axis, range) in chunk.iter().enumerate() {
            let (along, length) = (&self.along[axis][range.clone()], grid.chunk_shape()[axis]);
            let (first, last) = (along[0].at, along[along.len() - 1].at);
            index.push(first / length);
            in_chunk.start[axis] = (first % length) as usize;
            in_chunk.count[axis] = (last - first) as usize + 1;
        }
        let chunk_shape = grid.stored_shape(&index);
        let inside = grid.chunk_domain(&index);
        let is_whole = chunk.iter().zip(inside.shape()).enumerate().all(|(axis, (range, &length))| {
            let along = &self.along[axis][range.clone()];
            1 + along.windows(2).filter(|pair| pair[0].at != pair[1].at).count() as u64 == length
        });
        let in_output = Region::whole(&in_chunk.count);
        ChunkProjection { index, chunk_shape, in_chunk, in_output, is_whole }
    }

    /// For each axis the indices of elements, in a chunk from `start` on, and in the result.
    fn pairs(&self, chunk: &[Range<usize>], start: &[usize]) -> Dims<Vec<Pair>> {
        let one = |(axis, range): (usize, &Range<usize>)| {
            let length = self.layout.grid.chunk_shape()[axis];
            let pair = |along: &Along| ((along.at % length) as usize - start[axis], along.output);
            self.along[axis][range.clone()].iter().map(pair).collect()
        };
        chunk.iter().enumerate().map(one).collect()
    }
}

/// Ranges of coordinates that lie in the same `length` of an axis; they are numbered from `first` on.
fn groups(along: &[Along], first: usize, length: u64) -> Vec<Range<usize>> {
    let mut end = first;
    let groups = along.chunk_by(|one, next| one.at / length == next.at / length);
    groups
        .map(|group| {
            end += group.len();
            end - group.len()..end
        })
        .collect()
}

/// Every combination of a range along each axis, the fastest axis of `order` fastest.
fn combinations(axes: Dims<Vec<Range<usize>>>, order: Order) -> impl Iterator<Item = Dims<Range<usize>>> {
    let total = axes.iter().map(Vec::len).fold(1u128, |all, length| all.saturating_mul(length as u128));
    let mut number = 0;
    std::iter::from_fn(move || {
        let mut rest = (number < total).then_some(number)?;
        number += 1;
        let mut chosen: Dims<Range<usize>> = Dims::from_elem(0..0, axes.len());
        for k in 0..axes.len() {
            let axis = if order == Order::C { axes.len() - 1 - k } else { k };
            let length = axes[axis].len() as u128;
            chosen[axis] = axes[axis][(rest % length) as usize].clone();
            rest /= length;
        }
        Some(chosen)
    })
}

fn read_batch(
    stored: &Stored,
    wanted: &Combinations<'_>,
    chunks: &[Dims<Range<usize>>],
    out: &SharedViewMut<'_>,
) -> Result<()> {
    let (layout, item) = (&stored.layout, stored.layout.dtype.size());
    let parts: Vec<ChunkProjection> = chunks.iter().map(|chunk| wanted.part(chunk)).collect();
    let requests: Vec<Get> = parts.iter().map(|part| request(layout, part)).collect();
    fetch(stored, &requests, &Destinations::NONE, &|position, blob| {
        let part = &parts[position];
        let (start, shape) = (&part.in_chunk.start, &part.in_chunk.count);
        let pairs = wanted.pairs(&chunks[position], start);
        let pairs: Dims<&[Pair]> = pairs.iter().map(Vec::as_slice).collect();
        let Some(blob) = blob else {
            let still = Dims::from_elem(0, shape.len());
            let fill = View::strided(layout.fill.as_bytes(), 0, shape, &still, item);
            // SAFETY: each element lies in one chunk, which is handed over once.
            unsafe { out.copy_pairs(&fill, &pairs) };
            return Ok(());
        };
        with_scratch(|scratch| {
            let length = shape.iter().product::<usize>().saturating_mul(item);
            let bytes = try_first_bytes(scratch, length)?;
            decode(layout, part, blob, &mut ViewMut::dense(bytes, shape, item, layout.order)?)?;
            let decoded = View::dense(bytes, shape, item, layout.order)?;
            // SAFETY: as above.
            unsafe { out.copy_pairs(&decoded, &pairs) };
            Ok(())
        })
    })
}

fn write_batch(
    stored: &Stored,
    wanted: &Combinations<'_>,
    chunks: &[Dims<Range<usize>>],
    source: &View<'_>,
) -> Result<()> {
    let layout = wanted.layout;
    let parts: Vec<ChunkProjection> = chunks.iter().map(|chunk| wanted.part(chunk)).collect();
    let request = |part: &ChunkProjection| Update {
        key: layout.chunk_key(&part.index),
        reads: !part.is_whole,
        max_len: layout.max_stored_len(&part.index),
    };
    let requests: Vec<Update> = parts.iter().map(request).collect();
    let update = |position: usize, old: Option<Blob<'_>>, encoded: &mut Vec<u8>| {
        let part = &parts[position];
        let nowhere = Dims::from_elem(0, part.chunk_shape.len());
        let mut pairs = wanted.pairs(&chunks[position], &nowhere);
        pairs.iter_mut().flatten().for_each(|pair| *pair = (pair.1, pair.0));
        let changed = change_chunk(layout, part, old, stored.options.drop_fill, encoded, |bytes| {
            let mut chunk = ViewMut::dense(bytes, &part.chunk_shape, layout.dtype.size(), layout.order)?;
            let pairs: Dims<&[Pair]> = pairs.iter().map(Vec::as_slice).collect();
            // SAFETY: the chunk is borrowed here alone.
            unsafe { chunk.share().copy_pairs(source, &pairs) };
            Ok(())
        });
        changed
            .map_err(|error| error.during("writing chunk").at(stored.store.location(&requests[position].key)))
    };
    stored.store.update_many(&requests, &update).map_err(|error| error.during("writing"))
}

#[cold]
fn outside(array: &Array, axis: usize, coordinate: i64) -> Error {
    let (name, domain) = (&array.axis_names()[axis], array.domain());
    let message = format!("coordinate {coordinate} along axis {name} lies outside the domain {domain}");
    Error::new(ErrorKind::OutOfBounds, message).at(array.url())
}
