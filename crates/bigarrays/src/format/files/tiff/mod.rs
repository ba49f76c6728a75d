//! TIFF: files of many pages, read whatever their compression, written uncompressed.
//!
//! Reading: the pages run along the slowest axes (`z`, unless an ImageJ, OME or tifffile description
//! says otherwise), then `y,x`, then `c` where a pixel has several samples; with a plane per sample
//! `c` comes before `y,x`. OME-XML that is not of one image whose planes are the pages is refused. Elements are the samples as stored: bilevel ones are `bool`, and where zero
//! is white nothing is inverted. Smaller copies (thumbnails, pyramids) and masks are skipped.
//!
//! Where the samples of all pages follow each other plainly, the file is read as a flat file. Else a
//! page is decoded as a whole, and a page above 64 MiB by strips or tiles: the chunks of the layout
//! are what is decoded, and held in memory, at once.

mod axes;
mod hints;
mod ome;
mod scan;
mod source;
mod write;

use std::path::Path;
use std::sync::Arc;

use self::axes::{Hints, PageKind};
#[doc(hidden)]
pub use self::hints::described_axes;
use self::scan::{Cut, Description, Kind, Page};
use self::source::{FileHeader, Source, tiff_error};
use crate::base::buffer::{Order, try_first_bytes, with_scratch};
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::format::files::pages::{PageStore, Pages, expect_plausible, unpack};
use crate::format::files::plain::{Dense, NewArray, PlainFormat, is_file_with, numbered_layout};
use crate::format::traits::Opened;

pub use write::create;

/// A page larger than this is decoded by its strips or tiles.
const LARGE_PAGE: u64 = 64 << 20;
/// So many bytes of strips are decoded at once.
const STRIPS: u64 = 4 << 20;

/// TIFF and BigTIFF.
pub const FORMAT: PlainFormat = PlainFormat {
    name: "tiff",
    about: "TIFF or BigTIFF file of one or more pages",
    is_named: |path| is_file_with(path, &["tif", "tiff", "btf", "tf8"]),
    open,
    names: None,
    writes: true,
};

/// Opens the array in the file at `path` for reading.
///
/// # Errors
/// `Unsupported` if pages differ (the error names the first that does) or samples are of a kind that
/// cannot be read; `CorruptData` or `InvalidMetadata` if the file is damaged.
pub fn open(path: &Path) -> Result<Opened> {
    let at = |error: Error| error.during("opening").at(path.display().to_string());
    let file = TiffFile::scan(Source::open(path)?, path.display().to_string(), false).map_err(at)?;
    match file.plain_start().map_err(at)? {
        Some(start) => {
            let big_endian = file.header.big_endian;
            Dense { array: file.array().map_err(at)?, order: Order::C, big_endian }.open("tiff", path, start)
        }
        None => file.decoded().map_err(at),
    }
}

/// Opens the array in the bytes of a file, which messages call `name`.
///
/// # Errors
/// As [`open`].
pub fn open_bytes(bytes: Vec<u8>, name: &str) -> Result<Opened> {
    let file = TiffFile::scan(Source::Bytes(bytes), name.to_owned(), false);
    file.and_then(TiffFile::decoded).map_err(|error| error.during("opening").at(name))
}

/// A file whose pages are known.
#[derive(Debug)]
pub(crate) struct TiffFile {
    source: Source,
    name: String,
    header: FileHeader,
    pages: Vec<Page>,
    hints: Hints,
    /// Images, of which only the first may have a directory.
    images: u64,
    /// Height and width of what is decoded at once.
    block: (u32, u32),
}

impl TiffFile {
    /// Looks at all pages. The only one of a slice is that slice, whatever its description says of the stack.
    fn scan(source: Source, name: String, is_slice: bool) -> Result<Self> {
        let header = source.header()?;
        let (mut pages, mut description) = scan::pages(&source, header, &name)?;
        let kind = pages[0].kind.clone();
        let page = PageKind {
            width: kind.width.into(),
            height: kind.height.into(),
            samples: kind.samples.into(),
            planar: kind.planar,
        };
        let images = images(&source, &pages, &description, &page)?;
        if is_slice && images == 1 {
            description.text.clear();
        }
        if let Some(next) = hints::pages_of_first_image(&description, &page, images)
            && let Some(other) = pages.get(next as usize)
            && scan::description_of(&source, header, other.directory)?.starts_with('{')
        {
            let message = format!("several images, of which the first has {next} pages of {images}");
            return Err(Error::unsupported(message));
        }
        let numbers: Vec<u64> = pages.iter().map(|page| page.number).collect();
        let mut hints = Hints::new(&description, &page, &numbers, images)?;
        if let Some(order) = hints.order.take() {
            pages = order.iter().map(|&at| pages[at].clone()).collect();
        }
        let page_len = kind.packed_len()?;
        let stored = pages.iter().map(|page| page.stored).min().unwrap_or(0);
        expect_plausible(page_len, stored)?;
        let block = block(&pages, page_len, LARGE_PAGE, STRIPS);
        Ok(Self { source, name, header, pages, hints, images, block })
    }

    /// The file at `path`, which is to be one slice.
    pub(crate) fn scan_path(path: &Path) -> Result<Self> {
        Self::scan(Source::open(path)?, path.display().to_string(), true)
    }

    pub(in crate::format) fn kind(&self) -> &Kind {
        &self.pages[0].kind
    }

    /// Where the samples of all images start, if they follow each other plainly.
    fn plain_start(&self) -> Result<Option<u64>> {
        let length = self.kind().packed_len()?;
        let Some(first) = self.pages[0].data else { return Ok(None) };
        let follows = |(page, number): (&Page, u64)| {
            let start = number.checked_mul(length).and_then(|distance| first.checked_add(distance));
            page.data.is_some() && page.data == start
        };
        Ok(self.pages.iter().zip(0..).all(follows).then_some(first))
    }

    /// Why the file is not one image that can be decoded, if it is not.
    pub(crate) fn single_page_problem(&self) -> Option<String> {
        if self.images != 1 {
            return Some(format!("a slice of {} pages; open the file by itself", self.images));
        }
        if self.kind().planar {
            return Some("an image with a plane per channel".to_owned());
        }
        self.pages[0].refused.clone()
    }

    /// The file, of which pages are decoded as a whole however large they are.
    pub(crate) fn whole_pages(mut self) -> Self {
        self.block = (self.kind().height, self.kind().width);
        self
    }

    fn array(&self) -> Result<NewArray> {
        let kind = self.kind();
        let (mut names, mut shape): (Vec<String>, Vec<u64>) = self.hints.outer.iter().cloned().unzip();
        names.extend(self.hints.page.iter().cloned());
        shape.extend(kind.planar.then_some(u64::from(kind.samples)));
        shape.extend([kind.height, kind.width].map(u64::from));
        shape.extend((kind.samples > 1 && !kind.planar).then_some(u64::from(kind.samples)));
        Ok(NewArray {
            dtype: kind.dtype,
            domain: Domain::from_shape(&shape)?,
            resolution: self.hints.resolution(&names),
            axis_names: names.into(),
        })
    }

    /// The array whose pages are decoded when they are read.
    fn decoded(self) -> Result<Opened> {
        if let Some((number, reason)) =
            self.pages.iter().enumerate().find_map(|(k, page)| Some((k, page.refused.clone()?)))
        {
            return Err(Error::unsupported(format!("page {number}: {reason}")));
        }
        if self.images != self.pages.len() as u64 {
            return Err(Error::unsupported("images without a directory are read from files only"));
        }
        let array = self.array()?;
        let mut chunk: Vec<u64> = array.domain.shape().to_vec();
        let outer = self.hints.outer.len();
        chunk[..outer].fill(1);
        let rows = outer + usize::from(self.kind().planar);
        (chunk[rows], chunk[rows + 1]) = (self.block.0.into(), self.block.1.into());
        let layout = numbered_layout(array, &chunk, Order::C, cfg!(target_endian = "big"))?;
        Ok(Opened::new("tiff", layout, Arc::new(PageStore::new(self))))
    }

    /// How many blocks a page has, down and across.
    fn blocks(&self) -> (u64, u64) {
        let kind = self.kind();
        (kind.height.div_ceil(self.block.0).into(), kind.width.div_ceil(self.block.1).into())
    }

    /// Page, and place and extent of block `number`: rows, then columns.
    fn place(&self, number: u64) -> (usize, [u64; 2], [u64; 2]) {
        let (down, across) = self.blocks();
        let (page, block) = (number / (down * across), number % (down * across));
        let (row, column) = (block / across, block % across);
        let start = [row * u64::from(self.block.0), column * u64::from(self.block.1)];
        let kind = self.kind();
        let rows = u64::from(self.block.0).min(u64::from(kind.height) - start[0]);
        let columns = u64::from(self.block.1).min(u64::from(kind.width) - start[1]);
        (page as usize, start, [rows, columns])
    }

    fn is_whole(&self, extent: [u64; 2]) -> bool {
        extent == [u64::from(self.kind().height), u64::from(self.kind().width)]
    }

    /// Decodes a block as the library gives it, but not inverted.
    fn decode_packed(&self, number: u64, out: &mut [u8]) -> Result<()> {
        let (page, start, extent) = self.place(number);
        let page = &self.pages[page];
        let mut decoder = self.source.decoder(self.header, page.directory).map_err(tiff_error)?;
        decoder.next_image().map_err(tiff_error)?;
        let layout = decoder.image_buffer_layout().map_err(tiff_error)?;
        if layout.complete_len as u64 != self.kind().packed_len()? {
            return Err(Error::corrupt("the page is not what it was when the file was opened"));
        }
        let mut piece = |index: u64, out: &mut [u8]| {
            let index = u32::try_from(index).map_err(|_| Error::unsupported("too many strips or tiles"))?;
            decoder.read_chunk_bytes(index, out).map_err(tiff_error)
        };
        match page.cut {
            _ if self.is_whole(extent) => decoder.read_image_bytes(out).map_err(tiff_error)?,
            Cut::Tiles { .. } => piece(number % (self.blocks().0 * self.blocks().1), out)?,
            Cut::Strips { rows } => {
                let strip_len = (u64::from(rows) * self.kind().packed_row()) as usize;
                let first = start[0] / u64::from(rows);
                for (strip, out) in (first..).zip(out.chunks_mut(strip_len)) {
                    piece(strip, out)?;
                }
            }
        }
        if self.kind().white_is_zero {
            out.iter_mut().for_each(|byte| *byte = !*byte);
        }
        Ok(())
    }
}

/// How many images there are, of which only the first may have a directory.
///
/// # Errors
/// `Unsupported` or `CorruptData` if others are behind the first that cannot be found there.
fn images(source: &Source, pages: &[Page], description: &Description, kind: &PageKind) -> Result<u64> {
    let count = pages.len() as u64;
    let Some(behind) = hints::images_behind(description, kind).filter(|behind| behind.images > count) else {
        return Ok(count);
    };
    let (first, images) = (&pages[0], behind.images);
    let length = first.kind.packed_len()?;
    // What is left of the file behind the first image.
    let rest = first.data.and_then(|start| source.len().checked_sub(start.checked_add(length)?));
    let fits = rest.is_some_and(|rest| length.checked_mul(images - 1).is_some_and(|others| others <= rest));
    // Behind a page that was taken out of a stack there is nothing, or its directory.
    let is_cut =
        |rest: u64| rest >= length || (rest > 0 && first.data.is_some_and(|at| first.directory < at));
    match rest {
        _ if count == 1 && fits => Ok(images),
        Some(rest) if count == 1 && is_cut(rest) => {
            let message = format!(
                "{images} images should follow each other, but the file ends before; it was cut short"
            );
            Err(Error::corrupt(message))
        }
        _ if behind.is_sure => {
            let reason = format!(
                "{images} images, of which {count} have a directory, and the others are not behind it"
            );
            Err(Error::unsupported(reason))
        }
        _ => Ok(count),
    }
}

/// Height and width of what is decoded at once: a whole page up to `large` bytes, else a tile or about
/// `most` bytes of strips.
fn block(pages: &[Page], page_len: u64, large: u64, most: u64) -> (u32, u32) {
    let Page { kind, cut, .. } = &pages[0];
    let whole = (kind.height, kind.width);
    let is_alike = pages.iter().all(|page| page.cut == *cut);
    if page_len <= large || kind.planar || kind.bits < 8 || !is_alike {
        return whole;
    }
    match *cut {
        Cut::Tiles { width, height } => (height.min(kind.height), width.min(kind.width)),
        Cut::Strips { rows } => {
            let strips = (most / (u64::from(rows) * kind.packed_row())).max(1);
            let rows = strips.saturating_mul(rows.into()).min(kind.height.into());
            (rows as u32, kind.width)
        }
    }
}

impl Pages for TiffFile {
    fn location(&self, number: Option<u64>) -> String {
        match number {
            Some(number) => format!("{} page {}", self.name, self.place(number).0),
            None => self.name.clone(),
        }
    }

    fn count(&self) -> u64 {
        let (down, across) = self.blocks();
        self.pages.len() as u64 * down * across
    }

    fn decoded_len(&self, number: u64) -> u64 {
        let [rows, columns] = self.place(number).2;
        rows * columns * u64::from(self.kind().samples) * self.kind().dtype.size() as u64
    }

    fn version(&self, _: u64) -> Option<String> {
        self.source.version()
    }

    fn decode(&self, number: u64, out: &mut Vec<u8>) -> Result<Option<usize>> {
        let length = self.decoded_len(number) as usize;
        let out = try_first_bytes(out, length)?;
        let kind = self.kind();
        if kind.bits >= 8 {
            self.decode_packed(number, out)?;
        } else {
            with_scratch(|packed| {
                let packed = try_first_bytes(packed, kind.packed_len()? as usize)?;
                self.decode_packed(number, packed)?;
                let rows = packed.chunks(kind.packed_row() as usize);
                rows.zip(out.chunks_mut(kind.width as usize))
                    .for_each(|(row, out)| unpack(row, kind.bits, out));
                Ok::<(), Error>(())
            })?;
        }
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::files::plain::tests::read_all;

    #[test]
    fn large_pages_are_read_by_strips_and_tiles() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stacks");
        for (name, expected) in [("big-endian-lzw.tif", (14, 33)), ("bigtiff-tiles.tif", (16, 16))] {
            let scan = || TiffFile::scan_path(&data.join(name)).unwrap();
            let whole = scan().decoded().unwrap();
            let mut file = scan();
            file.block = block(&file.pages, 1320, 1000, 1000);
            assert_eq!(file.block, expected);
            let parts = file.decoded().unwrap();
            let elements = read_all(&parts.layout, &*parts.store).unwrap();
            assert!(elements == read_all(&whole.layout, &*whole.store).unwrap(), "{name}");
        }
    }
}
