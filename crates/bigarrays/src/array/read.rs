//! Reading: selection → chunks → store → codecs → output.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use smallvec::SmallVec;

use crate::array::decode::decode;
use crate::array::stored::Stored;
use crate::array::transform::{StoredAxis, visible_axes};
use crate::array::{Array, Cutout, Index};
use crate::base::buffer::{Order, Region, SharedViewMut, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::EncodedRanges;
use crate::chunk::grid::{AxisSelection, ChunkProjection};
use crate::chunk::layout::Layout;
use crate::store::{Blob, Destinations, Extent, Get, GetSink, Part, ReadInto};

impl Array {
    /// Reads the box `part` into a new array in the layout's own order.
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not the array's type or the box has another number of axes;
    /// `CorruptData` or a storage error naming the chunk that could not be read.
    pub fn read<T: Element>(&self, part: &Domain) -> Result<Cutout<T>> {
        self.expect_type(T::DTYPE)?;
        Cutout::filled_by(part, self.order(), |out| self.read_into(part, out))
    }

    /// Reads the single element at `point`.
    ///
    /// # Errors
    /// As [`Array::read`]; `OutOfBounds` if the point lies outside the domain.
    pub fn get<T: Element>(&self, point: &[i64]) -> Result<T> {
        self.expect_type(T::DTYPE)?;
        let view = self.slice(&point.iter().map(|&at| Index::At(at)).collect::<Dims<_>>())?;
        let cutout: Cutout<T> = view.read(view.domain())?;
        cutout.data().iter().next().copied().ok_or_else(|| Error::invalid("no element"))
    }

    /// Reads the box `part` into `out`, of the same shape and item size, at any strides.
    ///
    /// # Errors
    /// As [`Array::read`]. After an error, the contents of `out` are unspecified.
    pub fn read_into(&self, part: &Domain, out: ViewMut<'_>) -> Result<()> {
        self.expect_buffer(part, out.shape(), out.item())?;
        let layout = &self.stored.layout;
        let decode =
            |part: &ChunkProjection, blob: Blob<'_>, out: &mut ViewMut<'_>| decode(layout, part, blob, out);
        let plain = layout.codecs.plain(layout.dtype);
        self.read_as(part, out, &Elements { fill: layout.fill.as_bytes(), plain, decode: &decode })
    }

    /// Asks the store for what [`Array::read_into`] of the box `part` asks it for, and leaves what it sends: whoever has put a store
    /// around it sees versions, without memory for elements.
    ///
    /// # Errors
    /// Those of the store; `NotFound` for missing chunks of a strict array.
    pub(crate) fn ask(&self, part: &Domain) -> Result<()> {
        let inside = self.stored_inside(part)?;
        if inside.iter().any(|axis| axis.count == 0) {
            return Ok(());
        }
        let layout = &self.stored.layout;
        let projection = layout.grid.project_selection(&inside);
        let total = projection.len();
        for first in (0..total).step_by(BATCH) {
            let all = first..total.min(first + BATCH);
            let requests: Few<Get> = all.map(|k| request(layout, &projection.get(k))).collect();
            fetch(&self.stored, &requests, &Destinations::NONE, &|_, _| Ok(()))?;
        }
        Ok(())
    }

    /// Reads the box `part` into `out`, of the same shape and of items as `elements` makes them.
    pub(super) fn read_as(&self, part: &Domain, out: ViewMut<'_>, elements: &Elements<'_>) -> Result<()> {
        let axes = self.view.stored_axes(part)?;
        read(&self.stored, &axes, out.arranged(&visible_axes(&axes)), elements)
    }
}

/// Decodes what the store sent for a part of a chunk into a buffer of its shape.
pub(super) type Decode<'a> = dyn Fn(&ChunkProjection, Blob<'_>, &mut ViewMut<'_>) -> Result<()> + Sync + 'a;

/// What elements become when they are read.
pub(super) struct Elements<'a> {
    /// What those become that are not stored.
    pub(super) fill: &'a [u8],
    /// The order in which chunks are stored as nothing but elements, if they are: those may be read to where they are
    /// wanted.
    pub(super) plain: Option<Order>,
    pub(super) decode: &'a Decode<'a>,
}

/// Of a list that often has one element, which then needs no memory of its own.
type Few<T> = SmallVec<[T; 1]>;

/// Chunks requested at once: bounds the memory for requests of reads of any size.
const BATCH: usize = 1 << 14;

/// Reads the stored coordinates of `axes` into `out`, whose axes are the stored ones.
fn read(stored: &Stored, axes: &[StoredAxis], mut out: ViewMut<'_>, elements: &Elements<'_>) -> Result<()> {
    let layout = &stored.layout;
    let mut inside: Dims<AxisSelection> = Dims::new();
    let mut within = Region::whole(out.shape());
    for (axis, wanted) in axes.iter().enumerate() {
        if wanted.step < 0 {
            out = out.reversed(axis);
        }
        let (selection, skipped) = clip(*wanted, &layout.domain().range(axis));
        within.start[axis] = skipped;
        within.count[axis] = selection.count as usize;
        inside.push(selection);
    }
    if !within.is_whole(out.shape()) {
        if stored.options.strict {
            return Err(Error::new(
                ErrorKind::OutOfBounds,
                format!("the box reaches outside the domain {}, and reading is strict", layout.domain()),
            )
            .at(stored.store.location("")));
        }
        fill_around(&mut out, &within, elements.fill);
    }
    if within.count.contains(&0) {
        return Ok(());
    }
    let projection = layout.grid.project_selection(&inside);
    let mut out = out.region(&within);
    let out = out.share();
    let total = projection.len();
    for first in (0..total).step_by(BATCH) {
        let parts: Few<ChunkProjection> =
            (first..total.min(first + BATCH)).map(|k| projection.get(k)).collect();
        read_chunks(stored, &parts, &out, elements)?;
    }
    Ok(())
}

/// The part of `wanted`, taken in ascending order, that lies in `domain`, and how many come before it.
pub(super) fn clip(wanted: StoredAxis, domain: &std::ops::Range<i64>) -> (AxisSelection, usize) {
    let (step, count) = (wanted.step.unsigned_abs(), wanted.count);
    let reach = count.max(1) - 1;
    // No overflow: the view checked that the last coordinate is one.
    let first = if wanted.step < 0 { wanted.start.wrapping_sub_unsigned(reach * step) } else { wanted.start };
    let before = |bound: i64| if bound > first { bound.abs_diff(first).div_ceil(step).min(count) } else { 0 };
    let (skipped, end) = (before(domain.start), before(domain.end));
    let start = first.wrapping_add_unsigned(skipped.min(reach) * step);
    (AxisSelection { start, count: end.saturating_sub(skipped), step }, skipped as usize)
}

/// Fills what of `out` lies outside the region `within`.
fn fill_around(out: &mut ViewMut<'_>, within: &Region, fill: &[u8]) {
    if within.count.contains(&0) {
        return out.fill(fill);
    }
    let mut slab = Region::whole(out.shape());
    for axis in 0..out.shape().len() {
        let length = out.shape()[axis];
        let (start, end) = (within.start[axis], within.start[axis] + within.count[axis]);
        for part in [0..start, end..length] {
            (slab.start[axis], slab.count[axis]) = (part.start, part.len());
            if !part.is_empty() {
                out.reborrow().region(&slab).fill(fill);
            }
        }
        // What is left lies inside on this axis.
        (slab.start[axis], slab.count[axis]) = (start, end - start);
    }
}

fn read_chunks(
    stored: &Stored,
    parts: &[ChunkProjection],
    out: &SharedViewMut<'_>,
    elements: &Elements<'_>,
) -> Result<()> {
    let requests: Few<Get> = parts.iter().map(|part| request(&stored.layout, part)).collect();
    let places = Places { parts, requests: &requests, out, plain: elements.plain, lent: unlent(parts) };
    let lend = |position: usize, read: &mut ReadInto<'_>| places.lend(position, read);
    fetch(stored, &requests, &Destinations::new(&lend), &|position, blob| {
        if blob.is_some_and(|blob| blob.extent == Extent::Placed) {
            return places.expect_lent(position);
        }
        // SAFETY: the parts of a projection are disjoint, and each is handed over once.
        let mut out = unsafe { out.region(&parts[position].in_output) };
        match blob {
            Some(blob) => (elements.decode)(&parts[position], blob, &mut out)?,
            None => out.fill(elements.fill),
        }
        Ok(())
    })
}

/// Where parts of chunks are wanted that are stored as nothing but elements.
struct Places<'a> {
    parts: &'a [ChunkProjection],
    requests: &'a [Get],
    out: &'a SharedViewMut<'a>,
    plain: Option<Order>,
    /// Which have been lent.
    lent: SmallVec<[AtomicBool; 16]>,
}

fn unlent(parts: &[ChunkProjection]) -> SmallVec<[AtomicBool; 16]> {
    parts.iter().map(|_| AtomicBool::new(false)).collect()
}

impl Places<'_> {
    /// Lends `read` the place of a part, if that is one run of bytes in the order in which they are stored.
    fn lend(&self, position: usize, read: &mut ReadInto<'_>) -> Result<()> {
        let part = &self.parts[position];
        // A damaged chunk may be as long as a part of a whole one.
        let is_certain =
            self.requests[position].part != Part::Whole || part.in_chunk.is_whole(&part.chunk_shape);
        let Some(order) = self.plain.filter(|_| is_certain) else { return Ok(()) };
        if self.lent[position].swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        // SAFETY: the parts of a projection are disjoint, each is lent once, and handed over only afterwards.
        let mut out = unsafe { self.out.region(&part.in_output) };
        out.as_dense_mut(order).map_or(Ok(()), read)
    }

    fn expect_lent(&self, position: usize) -> Result<()> {
        match self.lent[position].load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Storage, "the store has read the chunk to nowhere")),
        }
    }
}

/// Asks for chunks, and has `receive` take each as it arrives, once, from any thread.
///
/// # Errors
/// Those of the store and of `receive`; `NotFound` for missing chunks of a strict array.
pub(super) fn fetch(
    stored: &Stored,
    requests: &[Get],
    destinations: &Destinations<'_>,
    receive: &GetSink<'_>,
) -> Result<()> {
    // Stores are not to be trusted with memory: what is not answered, or whose answer is an error that the
    // store keeps to itself, would not be written.
    let states: SmallVec<[AtomicU8; 16]> = requests.iter().map(|_| AtomicU8::new(ASKED)).collect();
    let location = |position: usize| stored.store.location(&requests[position].key);
    let wrong = |what, position| Error::new(ErrorKind::Storage, what).at(location(position));
    let take = |position: usize, blob: Option<Blob<'_>>| {
        let unasked = || Error::new(ErrorKind::Storage, "the store sent what was not asked for");
        if states.get(position).ok_or_else(unasked)?.swap(ANSWERED, Ordering::Relaxed) != ASKED {
            return Err(wrong("the store sent a chunk twice", position));
        }
        let received = match blob {
            None if stored.options.strict => {
                Err(Error::new(ErrorKind::NotFound, "the chunk is missing, and reading is strict"))
            }
            blob => receive(position, blob),
        };
        received.map_err(|error| error.during("reading chunk").at(location(position)))?;
        states[position].store(WRITTEN, Ordering::Relaxed);
        Ok(())
    };
    stored.store.get_many_to(requests, destinations, &take).map_err(|error| error.during("reading"))?;
    match states.iter().position(|state| state.load(Ordering::Relaxed) != WRITTEN) {
        Some(position) => {
            Err(wrong("the store left out a chunk, or could not be told that it is damaged", position))
        }
        None => Ok(()),
    }
}

/// The request for a part of a chunk: for the bytes that it needs, where the layout of bytes tells.
pub(super) fn request(layout: &Layout, part: &ChunkProjection) -> Get {
    let ranges = layout.ranges(part);
    let wanted = ranges
        .map_or(Part::Whole, |EncodedRanges { ranges, total }| Part::Ranges { ranges, total: Some(total) });
    Get::new(layout.chunk_key(&part.index), wanted, layout.max_stored_len(&part.index))
}

/// What became of a chunk that was asked for.
const ASKED: u8 = 0;
const ANSWERED: u8 = 1;
const WRITTEN: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{ArrayOptions, OpenOptions};
    use crate::base::dtype::{DataType, FillValue};
    use crate::chunk::codec::ContentEncoding;
    use crate::format::{CreateSpec, Opened};
    use crate::store::{ChangeFn, Store, Update};
    use std::sync::Arc;

    /// A store that leaves out what it is asked for, or sends it twice.
    #[derive(Debug)]
    struct Answers(usize);

    impl Store for Answers {
        fn location(&self, key: &str) -> String {
            key.to_owned()
        }

        fn child(&self, _: &str) -> Result<Arc<dyn Store>> {
            Ok(Arc::new(Self(self.0)))
        }

        fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
            (0..requests.len() * self.0).try_for_each(|k| sink(k % requests.len(), None))
        }

        fn update_many(&self, _: &[Update], _: &ChangeFn<'_>) -> Result<()> {
            Ok(())
        }

        fn list(&self, _: &str, _: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_chunk_is_answered_once_or_the_read_fails() {
        let spec = CreateSpec::new(DataType::U8, "0:100,0:4,0:4".parse().unwrap());
        let array = OpenOptions::new().create("memory://answered-once", &spec).unwrap();
        for (answers, works) in [(0, false), (1, true), (2, false)] {
            let array = array_of(array.layout().clone(), Arc::new(Answers(answers)));
            assert_eq!(array.read::<u8>(array.domain()).is_ok(), works, "{answers} answers");
        }
    }

    /// A store that sends what cannot be decoded, and keeps to itself what became of it; or that sends what
    /// nobody has asked for.
    #[derive(Debug)]
    struct Careless {
        ignores_errors: bool,
    }

    impl Store for Careless {
        fn location(&self, key: &str) -> String {
            key.to_owned()
        }

        fn child(&self, _: &str) -> Result<Arc<dyn Store>> {
            Err(Error::unsupported("children"))
        }

        fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
            let damaged = Some(Blob::whole(&[1], ContentEncoding::Identity));
            if !self.ignores_errors {
                return sink(requests.len(), damaged);
            }
            for position in 0..requests.len() {
                assert!(sink(position, damaged).is_err());
            }
            Ok(())
        }

        fn update_many(&self, _: &[Update], _: &ChangeFn<'_>) -> Result<()> {
            Ok(())
        }

        fn list(&self, _: &str, _: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
            Ok(())
        }
    }

    fn array_of(layout: Layout, store: Arc<dyn Store>) -> Array {
        Array::from_opened(Opened::new("test", layout, store), "test", ArrayOptions::default())
    }

    #[test]
    fn a_chunk_that_could_not_be_written_fails_the_read_whatever_the_store_says() {
        let spec = CreateSpec::new(DataType::U8, "0:100,0:4,0:4".parse().unwrap());
        let array = OpenOptions::new().create("memory://careless", &spec).unwrap();
        for ignores_errors in [true, false] {
            let array = array_of(array.layout().clone(), Arc::new(Careless { ignores_errors }));
            let error = array.read::<u8>(array.domain()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
        }
    }

    /// A codec and a fill value that are not ours make no booleans that are none.
    #[test]
    fn booleans_are_true_or_false_whatever_codecs_and_fill_values_are() {
        let spec = CreateSpec::new(DataType::Bool, "0:4,0:4,0:4".parse().unwrap());
        let array = OpenOptions::new().create("memory://booleans", &spec).unwrap();
        let mut layout = array.layout().clone();
        layout.fill = FillValue::from_bytes(&[2]);
        let array = array_of(layout.clone(), Arc::new(Answers(1)));
        let read = array.read::<bool>(array.domain()).unwrap();
        let bytes: Vec<u8> = read.data().iter().map(|&value| u8::from(value)).collect();
        assert_eq!(bytes, [1; 64]);
        layout.fill = FillValue::from_bytes(&[1; 8]);
        let array = array_of(layout, Arc::new(Answers(1)));
        assert_eq!(array.read::<bool>(array.domain()).unwrap_err().kind(), ErrorKind::InvalidMetadata);
    }

    /// What is stored as it is in memory is read to where it is wanted, and damage of any length is seen all the same.
    #[test]
    fn raw_chunks_are_read_to_where_they_are_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("a").to_str().unwrap().to_owned();
        let mut spec = CreateSpec::new(DataType::U16, "0:24,0:32,0:48".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![16; 3]);
        spec.storage.encoding = Some("raw".into());
        let array = OpenOptions::new().create(&url, &spec).unwrap();
        let value = |(x, y, z): (usize, usize, usize)| (x + 100 * y + 3000 * z) as u16;
        array.write(&[0, 0, 0], ndarray::Array3::from_shape_fn((24, 32, 48), value).view()).unwrap();
        let boxes = ["0:16,16:32,16:32", "16:24,0:16,0:16", "0:16,0:16,4:9", "0:16,3:4,4:5", "2:3,0:32,0:48"];
        for part in boxes.map(|part| part.parse::<Domain>().unwrap()) {
            let read = array.read::<u16>(&part).unwrap();
            let at = |axis: usize, k: usize| part.range(axis).start as usize + k;
            for (index, &found) in read.data().indexed_iter() {
                assert_eq!(found, value((at(0, index[0]), at(1, index[1]), at(2, index[2]))), "{part}");
            }
        }
        let chunk = array.store().location(&array.layout().chunk_key(&[0, 0, 0]));
        let bytes = std::fs::read(&chunk).unwrap();
        assert_eq!(bytes.len(), 16 * 16 * 16 * 2);
        for (part, length) in
            [("0:16,0:16,4:9", 16 * 16 * 5 * 2), ("1:3,2:4,1:3", 16), ("0:16,0:16,0:16", 99)]
        {
            std::fs::write(&chunk, &bytes[..length]).unwrap();
            let error = array.read::<u16>(&part.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptData, "{part}: {error}");
        }
        // Every fifth plane, for which all of the chunk is read.
        let of = |stop, step| Index::Slice { start: Some(0), stop: Some(stop), step };
        let view = array.slice(&[of(16, 1), of(16, 1), of(16, 5)]).unwrap();
        std::fs::write(&chunk, &bytes[..16 * 16 * 4 * 2]).unwrap();
        assert_eq!(view.read::<u16>(view.domain()).unwrap_err().kind(), ErrorKind::CorruptData);
    }

    /// What a compression around a chunk makes of it is elements where they are wanted, unless it is another chunk.
    #[test]
    fn compressed_chunks_are_decoded_to_where_they_are_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("a").to_str().unwrap().to_owned();
        let mut spec = CreateSpec::new(DataType::U16, "0:24,0:16,0:16".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![16; 3]);
        spec.storage.encoding = Some("raw".into());
        for encoding in ContentEncoding::ALL.into_iter().skip(1) {
            let url = format!("{url}-{}", encoding.name());
            let array = OpenOptions::new().content_encoding(encoding).create(&url, &spec).unwrap();
            let values =
                ndarray::Array3::from_shape_fn((24, 16, 16), |(x, y, z)| (x + 100 * y + 3000 * z) as u16);
            array.write(&[0, 0, 0], values.view()).unwrap();
            for part in ["0:24,0:16,0:16", "0:16,0:16,0:16", "16:24,0:16,0:16", "3:20,0:16,2:5"] {
                let part: Domain = part.parse().unwrap();
                for (index, &found) in array.read::<u16>(&part).unwrap().data().indexed_iter() {
                    let at = |axis: usize| index[axis] + part.range(axis).start as usize;
                    assert_eq!(found, (at(0) + 100 * at(1) + 3000 * at(2)) as u16, "{encoding:?} {part}");
                }
            }
            let chunk = array.store().location(&array.layout().chunk_key(&[0, 0, 0])) + encoding.suffix();
            for length in [16 * 16 * 16 * 2 - 1, 16 * 16 * 16 * 2 + 1] {
                let mut bytes = vec![7; length];
                encoding.encode(&mut bytes).unwrap();
                std::fs::write(&chunk, &bytes).unwrap();
                let error = array.read::<u16>(&"0:16,0:16,0:16".parse().unwrap()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::CorruptData, "{encoding:?}: {error}");
            }
        }
    }

    #[test]
    fn a_step_may_be_as_long_as_it_likes() {
        let spec = CreateSpec::new(DataType::U64, "0:100,0:4,0:4".parse().unwrap());
        let array = OpenOptions::new().create("memory://long-step", &spec).unwrap();
        array.write(&[3, 0, 0], ndarray::Array3::from_elem((1, 4, 4), 7u64).view()).unwrap();
        for step in [1i64 << 61, 1 << 62, -(1 << 62)] {
            let stop = 3 + step.signum();
            let row = Index::Slice { start: Some(3), stop: Some(stop), step };
            let view = array.slice(&[row, Index::ALL, Index::At(2)]).unwrap();
            let read = view.read::<u64>(view.domain()).unwrap();
            assert!(read.data().iter().eq(&[7; 4]), "step {step}");
        }
    }

    #[test]
    fn clipping_a_strided_axis_keeps_its_phase() {
        let clip = |start, step, count| {
            let (inside, skipped) = clip(StoredAxis { start, step, count, visible: Some(0) }, &(-3..7));
            (inside.start, inside.count, skipped)
        };
        assert_eq!(clip(-3, 1, 10), (-3, 10, 0));
        assert_eq!(clip(-10, 3, 10), (-1, 3, 3));
        assert_eq!(clip(9, -4, 4), (-3, 3, 0));
        assert_eq!(clip(100, 1, 5).1, 0);
        assert_eq!(clip(-100, 1, 5).1, 0);
        assert_eq!(clip(0, 1, 0).1, 0);
    }
}
