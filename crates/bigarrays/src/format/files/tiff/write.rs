//! Writing TIFF: header and all directories first, then the samples of all pages without gaps, so that
//! the file is flat and its parts are written in any order.

use std::path::Path;

use super::super::plain::{Dense, NewArray, Target};
use crate::base::buffer::Order;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::layout::Resolution;

const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const LONG8: u16 = 16;

/// More bytes than a classic TIFF, with its offsets of 32 bits, should have.
const CLASSIC: u64 = (4 << 30) - (1 << 20);

/// Starts a new file at `path`: uncompressed, a page per `z`, little-endian, BigTIFF above 4 GB.
///
/// The axes are `z,y,x` or, for 3 or 4 channels of `uint8` or `uint16`, `z,y,x,c`: whatever their
/// names, they are taken in this order. `bool` is written as `uint8` of 0 and 1. Types that ImageJ
/// knows carry its description (slices, spacing, unit), others that of tifffile.
///
/// # Errors
/// `InvalidArgument` if the axes are not these.
pub fn create(path: &Path, array: NewArray) -> Result<Target> {
    let at = |error: Error| error.during("creating").at(path.display().to_string());
    let header = Stack::new(&array).and_then(|stack| stack.header()).map_err(at)?;
    Dense { array, order: Order::C, big_endian: false }.create("tiff", path, &header)
}

/// The pages to be written.
struct Stack {
    dtype: DataType,
    pages: u64,
    height: u32,
    width: u32,
    samples: u16,
    page_len: u64,
    is_big: bool,
    description: String,
    /// Pixels per unit along x and y, as fractions.
    density: Option<[(u32, u32); 2]>,
}

/// A tag: number, type, count, value bytes.
type Entry = (u16, u16, u64, Vec<u8>);

impl Stack {
    fn new(array: &NewArray) -> Result<Self> {
        let dtype = array.dtype;
        let is_colour = matches!(dtype, DataType::U8 | DataType::U16);
        let (pages, height, width, samples) = match *array.domain.shape() {
            [z, y, x] => (z, y, x, 1),
            [z, y, x, c @ (3 | 4)] if is_colour => (z, y, x, c as u16),
            _ => {
                return Err(Error::invalid(format!(
                    "a TIFF file has axes z,y,x or, for uint8 and uint16, z,y,x,c with 3 or 4 channels; \
                     shape {:?} of {dtype} does not fit",
                    array.domain.shape()
                )));
            }
        };
        let side = |length: u64| u32::try_from(length).ok().filter(|&length| length > 0);
        let (Some(height), Some(width), Some(_)) = (side(height), side(width), side(pages)) else {
            return Err(Error::invalid(format!(
                "{pages} pages of {width} × {height} do not fit a TIFF file"
            )));
        };
        let too_large = || Error::invalid("more than a file can hold");
        let sample = dtype.size() as u64 * u64::from(samples);
        let row = sample * u64::from(width);
        let page_len = row.checked_mul(height.into()).ok_or_else(too_large)?;
        let total = page_len.checked_mul(pages).ok_or_else(too_large)?;
        let is_big = total.saturating_add(pages.saturating_mul(512)) > CLASSIC;
        let density = array.resolution.as_ref().map(|found| [density(found.size[2]), density(found.size[1])]);
        let mut stack = Self {
            dtype,
            pages,
            height,
            width,
            samples,
            page_len,
            is_big,
            description: String::new(),
            density,
        };
        stack.description = stack.describe(array.resolution.as_ref());
        Ok(stack)
    }

    /// Description of the file, for its first page.
    fn describe(&self, resolution: Option<&Resolution>) -> String {
        let (pages, height, width) = (self.pages, self.height, self.width);
        let is_gray = self.samples == 1 && matches!(self.dtype, DataType::U8 | DataType::U16 | DataType::F32);
        let is_rgb = self.samples == 3 && self.dtype == DataType::U8;
        let unit = resolution.map(|found| (found.size[0], found.unit.replace(['\n', '='], "")));
        if (is_gray || is_rgb) && !self.is_big {
            let unit = unit.map(|(z, unit)| format!("unit={unit}\nspacing={z}\n")).unwrap_or_default();
            return format!("ImageJ=1.11a\nimages={pages}\nslices={pages}\nloop=false\n{unit}");
        }
        let mut json = serde_json::json!({ "shape": [pages, height, width], "axes": "ZYX" });
        if self.samples > 1 {
            json = serde_json::json!({ "shape": [pages, height, width, self.samples], "axes": "ZYXS" });
        }
        if let Some((z, unit)) = unit {
            json["spacing"] = z.into();
            json["unit"] = unit.into();
        }
        json.to_string()
    }

    /// File header, then every directory followed by its values.
    fn header(&self) -> Result<Vec<u8>> {
        let start = if self.is_big { 16u64 } else { 8 };
        let first = self.directory_len(0);
        let other = self.directory_len(1);
        let data = (other.checked_mul(self.pages - 1).and_then(|others| others.checked_add(start + first)))
            .and_then(|end| end.checked_next_multiple_of(64))
            .filter(|&end| end < 1 << 32)
            .ok_or_else(|| Error::invalid(format!("{} pages are too many for a TIFF file", self.pages)))?;
        let mut bytes = Vec::with_capacity(data as usize);
        if self.is_big {
            bytes.extend_from_slice(b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0");
        } else {
            bytes.extend_from_slice(b"II\x2a\0\x08\0\0\0");
        }
        for page in 0..self.pages {
            let at = bytes.len() as u64;
            let length = if page == 0 { first } else { other };
            let next = if page + 1 == self.pages { 0 } else { at + length };
            self.put_directory(&mut bytes, &self.entries(page, data + page * self.page_len), next);
        }
        bytes.resize(data as usize, 0);
        Ok(bytes)
    }

    fn entries(&self, page: u64, data: u64) -> Vec<Entry> {
        let short = |tag, value: u16| (tag, SHORT, 1, value.to_le_bytes().to_vec());
        let long = |tag, value: u32| (tag, LONG, 1, value.to_le_bytes().to_vec());
        let shorts = |tag, value: u16| {
            (tag, SHORT, self.samples.into(), value.to_le_bytes().repeat(self.samples.into()))
        };
        let place = |tag, value: u64| match self.is_big {
            true => (tag, LONG8, 1, value.to_le_bytes().to_vec()),
            false => (tag, LONG, 1, (value as u32).to_le_bytes().to_vec()),
        };
        let fraction = |tag, (above, below): (u32, u32)| {
            (tag, RATIONAL, 1, [above.to_le_bytes(), below.to_le_bytes()].concat())
        };
        let format = match self.dtype {
            DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => 2,
            DataType::F16 | DataType::F32 | DataType::F64 => 3,
            _ => 1,
        };
        let mut entries = vec![
            long(254, 0),
            long(256, self.width),
            long(257, self.height),
            shorts(258, self.dtype.size() as u16 * 8),
            short(259, 1),
            short(262, if self.samples > 1 { 2 } else { 1 }),
        ];
        if page == 0 {
            let text = [self.description.as_bytes(), b"\0"].concat();
            entries.push((270, ASCII, text.len() as u64, text));
        }
        entries.extend([
            place(273, data),
            short(277, self.samples),
            long(278, self.height),
            place(279, self.page_len),
        ]);
        if let Some([x, y]) = self.density {
            entries.extend([fraction(282, x), fraction(283, y)]);
        }
        entries.extend([short(284, 1), short(296, 1)]);
        // The fourth sample is alpha, not yet multiplied in.
        entries.extend((self.samples == 4).then(|| short(338, 2)));
        entries.push(shorts(339, format));
        entries
    }

    fn word(&self) -> usize {
        if self.is_big { 8 } else { 4 }
    }

    /// Bytes of the directory of a page, with its values.
    fn directory_len(&self, page: u64) -> u64 {
        let mut bytes = Vec::new();
        self.put_directory(&mut bytes, &self.entries(page, 0), 0);
        bytes.len() as u64
    }

    fn put_directory(&self, bytes: &mut Vec<u8>, entries: &[Entry], next: u64) {
        let word = self.word();
        let count_len = if self.is_big { 8 } else { 2 };
        let table = count_len + entries.len() * (4 + 2 * word) + word;
        let mut values_at = bytes.len() + table.next_multiple_of(8);
        let end_of_table = values_at;
        let mut values: Vec<u8> = Vec::new();
        let mut put = |number: u64, length: usize| bytes.extend_from_slice(&number.to_le_bytes()[..length]);
        put(entries.len() as u64, count_len);
        for (tag, kind, count, value) in entries {
            put((*tag).into(), 2);
            put((*kind).into(), 2);
            put(*count, word);
            if value.len() <= word {
                let mut inline = [0; 8];
                inline[..value.len()].copy_from_slice(value);
                put(u64::from_le_bytes(inline), word);
            } else {
                put(values_at as u64, word);
                values.extend_from_slice(value);
                values.resize(values.len().next_multiple_of(8), 0);
                values_at = end_of_table + values.len();
            }
        }
        put(next, word);
        bytes.resize(end_of_table, 0);
        bytes.extend_from_slice(&values);
    }
}

/// Pixels per unit, as a fraction, of pixels of `size` units.
fn density(size: f64) -> (u32, u32) {
    let scale = (0..=9).map(|digits| 10f64.powi(digits)).take_while(|scale| scale * size.max(1.0) < 4e9);
    let exact = scale.clone().find(|scale| (scale * size).fract() == 0.0 && scale * size >= 1.0);
    let scale = exact.or_else(|| scale.last()).unwrap_or(1.0);
    (scale as u32, (scale * size).round().max(1.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::super::super::plain::tests::{new_array, read_all, write_all};
    use super::*;

    #[test]
    fn every_type_comes_back_with_its_resolution() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tif");
        for dtype in DataType::ALL {
            let mut array = new_array(dtype, &[3, 5, 7]);
            let size = [40.0, 4.0, 0.325];
            array.resolution = Some(Resolution { size: size.into_iter().collect(), unit: "nm".into() });
            let elements: Vec<u8> = (0..105 * dtype.size()).map(|k| k as u8 & 1).collect();
            let target = create(&path, array.clone()).unwrap();
            write_all(&target.layout, &*target.store, &elements).unwrap();
            target.finish(false).unwrap();
            let opened = crate::format::files::tiff::open(&path).unwrap();
            assert_eq!(read_all(&opened.layout, &*opened.store).unwrap(), elements, "{dtype}");
            assert_eq!(opened.layout.axis_names[..], ["z", "y", "x"]);
            assert_eq!(opened.layout.resolution, array.resolution, "{dtype}");
            if let Ok(decoded) =
                crate::format::files::tiff::open_bytes(std::fs::read(&path).unwrap(), "bytes")
            {
                assert_eq!(read_all(&decoded.layout, &*decoded.store).unwrap(), elements, "{dtype}");
            }
        }
    }

    #[test]
    fn large_stacks_are_big_tiff() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tif");
        let stack = Stack::new(&new_array(DataType::U16, &[3, 40_000, 20_000])).unwrap();
        assert!(stack.is_big);
        std::fs::write(&path, stack.header().unwrap()).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(stack.header().unwrap().len() as u64 + 3 * stack.page_len)
            .unwrap();
        let opened = crate::format::files::tiff::open(&path).unwrap();
        assert_eq!(opened.layout.domain().shape(), [3, 40_000, 20_000]);
        assert!(Stack::new(&new_array(DataType::U16, &[3, 0, 7])).is_err());
        assert!(Stack::new(&new_array(DataType::F32, &[3, 4, 7, 3])).is_err());
    }
}
