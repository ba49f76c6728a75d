//! What translators of plain files share: numbered chunks, dense data cut into slabs, and how a new
//! array is asked for and finished.

use std::path::Path;
use std::sync::Arc;

use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, FillValue};
use crate::base::error::{Error, Result};
use crate::chunk::codec::{CodecPipeline, ContentEncoding, Raw};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::keys::KeyEncoding;
use crate::chunk::layout::{Layout, Resolution};
use crate::format::probe::Probe;
use crate::format::traits::{Abilities, Format, FormatOptions, Opened};
use crate::store::{FlatFile, Store, StoreOptions};

/// A format of plain files, found by their names.
#[derive(Debug)]
pub struct PlainFormat {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether a path names files of this format.
    pub(crate) is_named: fn(&Path) -> bool,
    pub(crate) open: fn(&Path) -> Result<Opened>,
    /// How many slices a file names, if such files do.
    pub(super) names: Option<fn(&Path) -> Result<u64>>,
    /// Whether its module writes new files.
    pub(crate) writes: bool,
}

impl Format for PlainFormat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn abilities(&self) -> Abilities {
        // What exists is opened read-only; a new file is made by `create` of the format's module.
        Abilities { reads: true, writes: self.writes }
    }

    fn count_names(&self, path: &Path) -> Option<Result<u64>> {
        self.names.map(|names| names(path))
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let is_named = options.format.is_some();
        match probe.path() {
            Some(path) if is_named || (self.is_named)(path) => (self.open)(path).map(Some),
            None if is_named => Err(no_file(self.name, probe.store())),
            _ => Ok(None),
        }
    }
}

/// The error of a format of local files where there are none.
pub(crate) fn no_file(format: &str, store: &Arc<dyn Store>) -> Error {
    Error::unsupported(format!("{format} files are read from local disks alone")).at(store.location(""))
}

/// Whether `path` is a file with one of the `extensions`, in any case.
pub(crate) fn is_file_with(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)) && path.is_file()
}

/// What an array to be created looks like. Its axes are those of the new file.
#[derive(Clone, Debug)]
pub struct NewArray {
    /// Type of the elements.
    pub dtype: DataType,
    /// The box it covers. Plain files do not keep where it starts.
    pub domain: Domain,
    /// What the axes are called for people.
    pub axis_names: Dims<String>,
    /// Size of an element along each axis, where known; kept by formats that can.
    pub resolution: Option<Resolution>,
}

/// An array under construction. Dropped before it is finished, a single file vanishes.
#[derive(Debug)]
pub struct Target {
    format: &'static str,
    /// How it is stored.
    pub layout: Layout,
    /// Where; rooted at the array.
    pub store: Arc<dyn Store>,
    file: Option<Arc<FlatFile>>,
}

impl Target {
    /// The new array, to be written to.
    pub fn opened(&self) -> Opened {
        Opened::new(self.format, self.layout.clone(), Arc::clone(&self.store))
    }

    /// A target that needs no finishing: each of its chunks is a file.
    pub(crate) fn of_chunks(format: &'static str, layout: Layout, store: Arc<dyn Store>) -> Self {
        Self { format, layout, store, file: None }
    }

    /// Makes the new array visible under its name, once every chunk is written; with `durable`, only
    /// after it is on the disk.
    pub fn finish(self, durable: bool) -> Result<()> {
        self.file.map_or(Ok(()), |file| file.finish(durable))
    }
}

/// Keys that number the chunks in C order of their place in the grid: the last axis fastest.
#[derive(Clone, Copy, Debug)]
pub struct NumberedKeys;

impl KeyEncoding for NumberedKeys {
    fn key(&self, grid: &ChunkGrid, index: &[u64]) -> String {
        // The number of chunks was checked when the layout was made.
        index.iter().zip(grid.shape()).fold(0, |number, (&at, count)| number * count + at).to_string()
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        let (mut number, shape): (u64, Dims<u64>) = (key.parse().ok()?, grid.shape());
        let mut index: Dims<u64> = Dims::from_elem(0, shape.len());
        for axis in (0..shape.len()).rev() {
            index[axis] = number.checked_rem(shape[axis])?;
            number /= shape[axis];
        }
        (number == 0).then_some(index)
    }
}

/// Layout of an array of raw chunks with numbered keys.
pub(crate) fn numbered_layout(
    array: NewArray,
    chunk: &[u64],
    order: Order,
    big_endian: bool,
) -> Result<Layout> {
    let NewArray { dtype, domain, axis_names, resolution } = array;
    if domain.ndim() == 0 {
        return Err(Error::unsupported("a single value without axes is not an array here"));
    }
    let grid = ChunkGrid::new(domain, chunk, EdgeChunks::Clipped)?;
    let chunks = grid.shape().iter().try_fold(1u64, |product, &count| product.checked_mul(count));
    chunks.ok_or_else(|| Error::invalid(format!("shape {:?} is not usable", grid.domain().shape())))?;
    Ok(Layout {
        dtype,
        fill: FillValue::zero(dtype),
        grid,
        keys: Arc::new(NumberedKeys),
        codecs: CodecPipeline::new(Arc::new(Raw::with_endianness(order, big_endian)), Vec::new()),
        order,
        content_encoding: ContentEncoding::Identity,
        sharding: None,
        // Plain files name no axes.
        dimension_names: Dims::from_elem(None, axis_names.len()),
        axis_names,
        resolution,
        positions: None,
        fill_is_missing: false,
    })
}

/// Dense elements in one file.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) array: NewArray,
    pub(crate) order: Order,
    pub(crate) big_endian: bool,
}

impl Dense {
    /// Bytes of all elements.
    pub(crate) fn byte_len(&self) -> Result<u64> {
        dense_len(self.array.domain.shape(), self.array.dtype)
    }

    fn layout(self) -> Result<(Layout, u64)> {
        let slab = slab_shape(self.array.domain.shape(), self.array.dtype, self.order);
        let slab_len = dense_len(&slab, self.array.dtype)?;
        Ok((numbered_layout(self.array, &slab, self.order, self.big_endian)?, slab_len))
    }

    /// Opens for reading, as an array of `format`, the elements that follow `header` bytes of the file
    /// at `path`.
    pub(crate) fn open(self, format: &'static str, path: &Path, header: u64) -> Result<Opened> {
        let read_only = StoreOptions { read_only: true, ..StoreOptions::default() };
        self.open_with(format, path, header, &read_only)
    }

    /// As [`Dense::open`]; writable in place unless the options say otherwise.
    pub(crate) fn open_with(
        self,
        format: &'static str,
        path: &Path,
        header: u64,
        options: &StoreOptions,
    ) -> Result<Opened> {
        let data = self.byte_len()?;
        let (layout, slab) = self.layout()?;
        Ok(Opened::new(format, layout, Arc::new(FlatFile::open(path, header, data, slab, options)?)))
    }

    /// Starts a new file at `path` with the given header.
    pub(crate) fn create(self, format: &'static str, path: &Path, header: &[u8]) -> Result<Target> {
        let data = self.byte_len()?;
        let (layout, slab) = self.layout()?;
        let file = Arc::new(FlatFile::create(path, header, data, slab)?);
        Ok(Target { format, layout, store: Arc::<FlatFile>::clone(&file), file: Some(file) })
    }
}

fn dense_len(shape: &[u64], dtype: DataType) -> Result<u64> {
    let fits = |&len: &u64| i64::try_from(len).is_ok();
    let product = shape.iter().try_fold(dtype.size() as u64, |product, &length| product.checked_mul(length));
    product.filter(fits).ok_or_else(|| {
        Error::invalid(format!("an array of shape {shape:?} of {dtype} is more than a file can hold"))
    })
}

/// Slabs of up to this many bytes, unless one row along the fastest axis is larger.
const SLAB: u64 = 4 << 20;
/// Slabs that would be smaller than this become larger than [`SLAB`] instead.
const SMALLEST_SLAB: u64 = 256 << 10;

/// Shape of the slabs that dense elements are cut into: whole along the fast axes, single along the
/// slow ones. Each is one run of bytes, and slab `k` starts at `k` times the length of one: on an
/// axis other than the slowest, slabs end where the axis ends.
fn slab_shape(shape: &[u64], dtype: DataType, order: Order) -> Dims<u64> {
    let mut slab: Dims<u64> = shape.iter().map(|&length| length.max(1)).collect();
    let mut fast_to_slow: Dims<usize> = (0..shape.len()).collect();
    if order == Order::C {
        fast_to_slow.reverse();
    }
    let mut inner = dtype.size() as u64;
    for (k, &axis) in fast_to_slow.iter().enumerate() {
        let length = slab[axis];
        if inner.saturating_mul(length) > SLAB {
            let most = (SLAB / inner).max(1);
            let is_slowest = fast_to_slow[k + 1..].iter().all(|&slower| slab[slower] == 1);
            slab[axis] = if is_slowest { most } else { divisor(length, most, SMALLEST_SLAB.div_ceil(inner)) };
            for &slower in &fast_to_slow[k + 1..] {
                slab[slower] = 1;
            }
            break;
        }
        inner *= length;
    }
    slab
}

/// The largest divisor of `length` up to `most`, or the smallest above it if that is below `least`.
fn divisor(length: u64, most: u64, least: u64) -> u64 {
    let small = (1..).take_while(|k| k * k <= length).filter(|&k| length.is_multiple_of(k));
    let divisors = || small.clone().flat_map(|k| [k, length / k]);
    let below = divisors().filter(|&k| k <= most).max().unwrap_or(1);
    if below >= least.min(most) { below } else { divisors().filter(|&k| k > most).min().unwrap_or(length) }
}

/// The usual names of axes where a file names none. `x` is the fastest, but for channels:
///
/// C order: `x` · `y,x` · `z,y,x` · `c,z,y,x` · `t,c,z,y,x`; with four axes of which the last has at
/// most 4 elements and the first has more: `z,y,x,c`. Fortran order: the same reversed, so `x,y,z`,
/// `x,y,z,c`, and so on. More axes than five are `d0,d1,…`.
pub fn usual_names(shape: &[u64], order: Order) -> Dims<String> {
    let (slowest, fastest) = match order {
        Order::C => (shape.first(), shape.last()),
        Order::Fortran => (shape.last(), shape.first()),
    };
    let channels_are_fastest =
        slowest.is_some_and(|&slowest| slowest > 4) && fastest.is_some_and(|&fastest| fastest <= 4);
    let names: &[&str] = match shape.len() {
        count @ 0..=3 => &["z", "y", "x"][3 - count..],
        4 if channels_are_fastest => &["z", "y", "x", "c"],
        4 => &["c", "z", "y", "x"],
        5 => &["t", "c", "z", "y", "x"],
        count => return (0..count).map(|axis| format!("d{axis}")).collect(),
    };
    let mut named: Dims<String> = names.iter().map(|&name| name.to_owned()).collect();
    if order == Order::Fortran {
        named.reverse();
    }
    named
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::buffer::{Region, View, ViewMut};
    use crate::store::{Change, Get, Part, Update};
    use std::sync::Mutex;

    pub(crate) fn shape_of(layout: &Layout) -> Vec<usize> {
        layout.domain().shape().iter().map(|&length| length as usize).collect()
    }

    /// All elements in C order, read chunk by chunk.
    pub(crate) fn read_all(layout: &Layout, store: &dyn Store) -> Result<Vec<u8>> {
        let (item, shape) = (layout.dtype.size(), shape_of(layout));
        let all = Mutex::new(vec![0; shape.iter().product::<usize>() * item]);
        let parts: Vec<_> = layout.grid.project(layout.domain()).iter().collect();
        let gets: Vec<_> =
            parts.iter().map(|part| Get::new(layout.chunk_key(&part.index), Part::Whole, u64::MAX)).collect();
        store.get_many(&gets, &|k, blob| {
            let mut all = all.lock().unwrap();
            let mut out = ViewMut::dense(&mut all, &shape, item, Order::C)?.region(&parts[k].in_output);
            let blob = blob.ok_or_else(|| Error::corrupt("missing"))?;
            layout.codecs.decode(
                blob.bytes,
                &layout.chunk_spec(&parts[k].index),
                &parts[k].in_chunk,
                &mut out,
            )
        })?;
        Ok(all.into_inner().unwrap())
    }

    /// Writes all elements, given in C order.
    pub(crate) fn write_all(layout: &Layout, store: &dyn Store, elements: &[u8]) -> Result<()> {
        let (item, shape) = (layout.dtype.size(), shape_of(layout));
        let parts: Vec<_> = layout.grid.project(layout.domain()).iter().collect();
        let key = |index: &[u64]| layout.chunk_key(index);
        let updates: Vec<_> = parts.iter().map(|part| Update::blind(key(&part.index))).collect();
        store.update_many(&updates, &|k, _, out| {
            let chunk = View::dense(elements, &shape, item, Order::C)?.region(&parts[k].in_output);
            assert_eq!(parts[k].in_chunk, Region::whole(&parts[k].chunk_shape));
            layout.codecs.encode(&chunk, &layout.chunk_spec(&parts[k].index), out)?;
            Ok(Change::Put(ContentEncoding::Identity))
        })
    }

    /// A new array of the given shape with axes named in C order.
    pub(crate) fn new_array(dtype: DataType, shape: &[u64]) -> NewArray {
        NewArray {
            dtype,
            domain: Domain::from_shape(shape).unwrap(),
            axis_names: usual_names(shape, Order::C),
            resolution: None,
        }
    }

    #[test]
    fn slabs_are_runs_of_equal_length() {
        let slab = |shape: &[u64], order| slab_shape(shape, DataType::U16, order).to_vec();
        assert_eq!(slab(&[100, 1024, 1024], Order::C), [2, 1024, 1024]);
        assert_eq!(slab(&[1024, 1024, 100], Order::Fortran), [1024, 1024, 2]);
        assert_eq!(slab(&[1, 1_000_003, 10], Order::C), [1, 209_715, 10]);
        assert_eq!(slab(&[7, 3000, 1024, 1024], Order::C), [1, 2, 1024, 1024]);
        assert_eq!(slab(&[2, 1_000_003, 10], Order::C), [1, 1_000_003, 10]);
        assert_eq!(slab(&[3, 4], Order::C), [3, 4]);
        assert_eq!(slab(&[0, 4], Order::C), [1, 4]);
        assert_eq!(slab(&[10, 1 << 30], Order::C), [1, 2 << 20]);
    }

    #[test]
    fn names() {
        assert_eq!(usual_names(&[5, 6, 7], Order::Fortran)[..], ["x", "y", "z"]);
        assert_eq!(usual_names(&[2, 5, 6, 7], Order::C)[..], ["c", "z", "y", "x"]);
        assert_eq!(usual_names(&[9, 5, 6, 3], Order::C)[..], ["z", "y", "x", "c"]);
        assert_eq!(usual_names(&[9, 5, 6, 3], Order::Fortran)[..], ["x", "y", "z", "c"]);
        assert_eq!(usual_names(&[1; 6], Order::C)[5], "d5");
    }
}
