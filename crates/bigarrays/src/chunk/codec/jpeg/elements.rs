//! Single elements of grey images: the codes of all blocks of 8 × 8 up to the last that is wanted are passed over, and
//! only wanted blocks are transformed.
//!
//! Results are those of libjpeg's accurate integer transform. Whatever is out of the ordinary, such as colour, progressive
//! images, restarts, damage, and values that no image of 8 bits has, is left to libjpeg: then there is no result.
//! See ITU T.81, sections B (markers), C and F.2 (Huffman coding), and libjpeg's `jidctint.c`.

use std::cell::RefCell;
use std::rc::Rc;

/// Bits of a code that are looked up at once.
const LOOKED_UP: u32 = 10;

/// Bits of codes and numbers that are passed over at once.
const PASSED: u32 = 12;

/// The most that the coefficients of a column may be together, and the values of a row when columns were transformed. Those
/// of 8-bit pixels are less, whatever they are divided by; up to here, 16 bits hold what libjpeg's vector code has in
/// between, and 32 bits what is multiplied.
const LARGEST: [i32; 2] = [5800, 50_000];

/// Where the coefficients of a block, in the order of an image file, are: 8 × row + column.
const ORDER: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A pixel that is wanted, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    block: usize,
    row: usize,
    column: usize,
    position: usize,
}

/// A grey image, as far as its header tells.
pub(super) struct Grey<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The divisor of each coefficient, in the order of the file.
    divisors: [u16; 64],
    codes: Rc<ImageCodes>,
    /// From the first code on.
    data: &'a [u8],
}

impl<'a> Grey<'a> {
    /// What the segments before the codes say.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
        let (mut frame, mut divisors, mut codes) = (None, [None; 4], [[None; 4]; 2]);
        loop {
            let (&[0xff, marker, high, low], _) = rest.split_first_chunk::<4>()? else { return None };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let segment = rest.get(4..2 + length)?;
            rest = &rest[2 + length..];
            match marker {
                0xdb => read_divisors(segment, &mut divisors)?,
                0xc4 => read_codes(segment, &mut codes)?,
                // Baseline, and extended sequential.
                0xc0 | 0xc1 => {
                    let &[8, h0, h1, w0, w1, 1, component, _, table] = segment else { return None };
                    let size = [[w0, w1], [h0, h1]].map(|side| usize::from(u16::from_be_bytes(side)));
                    if frame.replace((size, component, table)).is_some() {
                        return None;
                    }
                }
                // What applications say of it, and comments.
                0xe0..=0xef | 0xfe => {}
                0xda => {
                    let &[1, component, tables, 0, 63, 0] = segment else { return None };
                    let ([width, height], same, divided) = frame?;
                    let known = |of: usize, number: u8| *codes.get(of)?.get(usize::from(number))?;
                    let codes = ImageCodes::of(known(0, tables >> 4)?, known(1, tables & 15)?)?;
                    let divisors = (*divisors.get(usize::from(divided))?)?;
                    let is_image = component == same && width > 0 && height > 0;
                    return is_image.then_some(Self { width, height, divisors, codes, data: rest });
                }
                _ => return None,
            }
        }
    }

    /// The pixel at a place in the image, for the element at a position.
    pub(super) fn wanted(&self, pixel: usize, position: usize) -> Wanted {
        let (row, column) = (pixel / self.width, pixel % self.width);
        let block = row / 8 * self.width.div_ceil(8) + column / 8;
        Wanted { block, row: row % 8, column: column % 8, position }
    }

    /// Puts the `wanted` pixels, in ascending order, to their positions in `out`.
    pub(super) fn decode(&self, wanted: &[Wanted], out: &mut [u8]) -> Option<()> {
        let mut bits = Bits { data: self.data, at: 0, buffer: 0, count: 0, beyond: 0 };
        let (mut first, mut next) = (0, 0);
        for pixels in wanted.chunk_by(|one, other| one.block == other.block) {
            let block = pixels.first()?.block;
            while next < block {
                first = self.skip(&mut bits, first)?;
                next += 1;
            }
            let mut coefficients = [0; 64];
            first = self.read(&mut bits, first, &mut coefficients)?;
            next += 1;
            let columns = transform_columns(&coefficients)?;
            for pixel in pixels {
                *out.get_mut(pixel.position)? = transform_row(&columns, pixel.row)?[pixel.column];
            }
        }
        Some(())
    }

    /// Reads the first coefficient of a block, by that of the block before.
    fn first(&self, bits: &mut Bits<'_>, before: i32) -> Option<i32> {
        let size = u32::from(self.codes.first.next(bits)?);
        if size > 11 { None } else { before.checked_add(bits.number(size)) }
    }

    /// Passes over a block; returns its first coefficient.
    fn skip(&self, bits: &mut Bits<'_>, before: i32) -> Option<i32> {
        let first = self.first(bits, before)?;
        let mut k = 1;
        while k < 64 {
            if bits.count < 32 {
                bits.refill();
            }
            let step = self.codes.steps[(bits.buffer >> (64 - PASSED)) as usize];
            if step.bits > 0 && k + usize::from(step.coefficients) + usize::from(step.is_last) <= 64 {
                bits.take(u32::from(step.bits));
                k += usize::from(step.coefficients);
                if step.is_last {
                    break;
                }
                continue;
            }
            let symbol = self.codes.others.next(bits)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (size, zeros) {
                (0, 15) => k += 16,
                (0, _) => break,
                _ => {
                    bits.take(size);
                    k += zeros + 1;
                }
            }
        }
        (k <= 64 && bits.is_inside()).then_some(first)
    }

    /// Reads the coefficients of a block, multiplied; returns the first as it is.
    fn read(&self, bits: &mut Bits<'_>, before: i32, out: &mut [i32; 64]) -> Option<i32> {
        let first = self.first(bits, before)?;
        out[0] = first.checked_mul(i32::from(self.divisors[0]))?;
        let mut k = 1;
        while k < 64 {
            let symbol = self.codes.others.next(bits)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (size, zeros) {
                (0, 15) => k += 16,
                (0, _) => break,
                _ => {
                    let value = bits.number(size);
                    k += zeros;
                    let place = usize::from(*ORDER.get(k)?);
                    out[place] = value * i32::from(self.divisors[k]);
                    k += 1;
                }
            }
        }
        (k <= 64 && bits.is_inside()).then_some(first)
    }
}

fn read_divisors(mut segment: &[u8], divisors: &mut [Option<[u16; 64]>; 4]) -> Option<()> {
    while let Some((&kind, rest)) = segment.split_first() {
        let item = match kind >> 4 {
            0 => 1,
            1 => 2,
            _ => return None,
        };
        let (table, rest) = rest.split_at_checked(64 * item)?;
        let value = |k: usize| match item {
            1 => u16::from(table[k]),
            _ => u16::from_be_bytes([table[2 * k], table[2 * k + 1]]),
        };
        *divisors.get_mut(usize::from(kind & 15))? = Some(std::array::from_fn(value));
        segment = rest;
    }
    Some(())
}

/// How many codes there are of each length, and what they stand for.
type Codes<'a> = (&'a [u8; 16], &'a [u8]);

fn read_codes<'a>(mut segment: &'a [u8], codes: &mut [[Option<Codes<'a>>; 4]; 2]) -> Option<()> {
    while let Some((&kind, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(total)?;
        let known = codes.get_mut(usize::from(kind >> 4))?.get_mut(usize::from(kind & 15))?;
        *known = Some((counts, symbols));
        segment = rest;
    }
    Some(())
}

/// The codes of an image.
struct ImageCodes {
    /// Of the first coefficient of a block.
    first: Table,
    /// Of the others.
    others: Table,
    /// By the next bits, how to pass over the others that have all of theirs among these.
    steps: Box<[Step]>,
    /// What they are made of.
    made_of: [Vec<u8>; 4],
}

/// Some coefficients of a block that are passed over at once.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Bits that they have; zero if there is none.
    bits: u8,
    coefficients: u8,
    /// Whether the block ends behind them, by a code for that.
    is_last: bool,
}

thread_local! {
    /// The codes of the image before, which those of the next mostly are.
    static LAST: RefCell<Option<Rc<ImageCodes>>> = const { RefCell::new(None) };
}

impl ImageCodes {
    fn of(first: Codes<'_>, others: Codes<'_>) -> Option<Rc<Self>> {
        let parts = [&first.0[..], first.1, &others.0[..], others.1];
        if let Some(last) = LAST.with_borrow(Clone::clone).filter(|last| last.made_of == parts) {
            return Some(last);
        }
        let [first, others] = [Table::new(first.0, first.1)?, Table::new(others.0, others.1)?];
        let steps = (0..1 << PASSED).map(|bits| Step::new(&others, bits)).collect();
        let codes = Rc::new(Self { first, others, steps, made_of: parts.map(<[u8]>::to_vec) });
        LAST.set(Some(Rc::clone(&codes)));
        Some(codes)
    }
}

impl Step {
    /// What the next `PASSED` bits say.
    fn new(codes: &Table, bits: u64) -> Self {
        let (mut step, mut left) = (Self::default(), PASSED);
        loop {
            let rest = bits & ((1 << left) - 1);
            let next = if left < LOOKED_UP { rest << (LOOKED_UP - left) } else { rest >> (left - LOOKED_UP) };
            let (length, symbol) = codes.looked_up[next as usize];
            let (zeros, size) = (symbol >> 4, symbol & 15);
            let coefficients = match (size, zeros) {
                (0, 15) => 16,
                (0, _) => 0,
                _ => zeros + 1,
            };
            let taken = length + size;
            if length == 0 || u32::from(taken) > left || step.coefficients + coefficients > 63 {
                return step;
            }
            (step.bits, step.coefficients) = (step.bits + taken, step.coefficients + coefficients);
            left -= u32::from(taken);
            if coefficients == 0 {
                return Self { is_last: true, ..step };
            }
        }
    }
}

/// A Huffman code.
struct Table {
    /// By the next bits the length of the code and what it stands for; zero if it is longer.
    looked_up: [(u8, u8); 1 << LOOKED_UP],
    /// For each length the code behind the last of that length, and what is added to a code for its place in `symbols`.
    lengths: [(u32, i32); 17],
    symbols: [u8; 256],
}

impl Table {
    fn new(counts: &[u8; 16], known: &[u8]) -> Option<Self> {
        let mut symbols = [0; 256];
        symbols.get_mut(..known.len())?.copy_from_slice(known);
        let mut table = Self { looked_up: [(0, 0); 1 << LOOKED_UP], lengths: [(0, 0); 17], symbols };
        let (mut code, mut place) = (0u32, 0);
        for (length, &count) in (1u32..).zip(counts) {
            let shift = place as i32 - code as i32;
            for _ in 0..count {
                if length <= LOOKED_UP {
                    let spare = LOOKED_UP - length;
                    let (start, end) = ((code << spare) as usize, ((code + 1) << spare) as usize);
                    table.looked_up.get_mut(start..end)?.fill((length as u8, symbols[place]));
                }
                code += 1;
                place += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.lengths[length as usize] = (code, shift);
            code <<= 1;
        }
        Some(table)
    }

    /// Reads what the next code stands for. There are at least 16 bits for what follows it.
    #[inline(always)]
    fn next(&self, bits: &mut Bits<'_>) -> Option<u8> {
        if bits.count < 32 {
            bits.refill();
        }
        let (length, symbol) = self.looked_up[(bits.buffer >> (64 - LOOKED_UP)) as usize];
        if length > 0 {
            bits.take(u32::from(length));
            return Some(symbol);
        }
        for length in LOOKED_UP + 1..=16 {
            let (code, (end, shift)) = ((bits.buffer >> (64 - length)) as u32, self.lengths[length as usize]);
            if code < end {
                bits.take(length);
                return self.symbols.get(usize::try_from(code as i32 + shift).ok()?).copied();
            }
        }
        None
    }
}

/// The bits of the codes, the highest of each byte first. Zeros follow the last.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the highest on.
    buffer: u64,
    /// How many of these there are.
    count: u32,
    /// How many of the last are beyond the end.
    beyond: u32,
}

impl Bits<'_> {
    /// Makes `count` at least 56.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(next) = self.data.get(self.at..).and_then(<[u8]>::first_chunk) {
            let next = u64::from_be_bytes(*next);
            let has_marker = (!next).wrapping_sub(0x0101_0101_0101_0101) & next & 0x8080_8080_8080_8080;
            if has_marker == 0 {
                // Bits of a byte that has no room are the same when it is read again.
                self.buffer |= next >> self.count;
                self.at += ((63 - self.count) / 8) as usize;
                self.count |= 56;
                return;
            }
        }
        self.refill_by_bytes();
    }

    fn refill_by_bytes(&mut self) {
        while self.count < 56 {
            let byte = match self.data.get(self.at..).unwrap_or_default() {
                // A zero follows a byte that is no marker.
                [0xff, 0, ..] => {
                    self.at += 2;
                    0xff
                }
                [] | [0xff, ..] => {
                    self.beyond += 8;
                    0
                }
                [byte, ..] => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Drops the next bits.
    #[inline(always)]
    fn take(&mut self, size: u32) {
        self.buffer <<= size;
        self.count = self.count.wrapping_sub(size);
    }

    /// Reads a number of so many bits, at most 16, of which the lower half are negative.
    #[inline(always)]
    fn number(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = (self.buffer >> (64 - size)) as i32;
        self.take(size);
        if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
    }

    /// Whether nothing beyond the end was taken.
    fn is_inside(&self) -> bool {
        self.beyond <= self.count
    }
}

/// Bits of fractions in the factors of a transform, and more of these that values between two have.
const FRACTION: u32 = 13;
const BETWEEN: u32 = 2;

/// Transforms eight values, and shifts the results with rounding.
fn transform(values: [i32; 8], shift: u32) -> [i32; 8] {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = values;
    let z = (a2 + a6) * 4433;
    let (t2, t3) = (z - a6 * 15137, z + a2 * 6270);
    let (t0, t1) = ((a0 + a4) << FRACTION, (a0 - a4) << FRACTION);
    let even = [t0 + t3, t1 + t2, t1 - t2, t0 - t3];
    let z5 = (a7 + a3 + a5 + a1) * 9633;
    let (z1, z2) = ((a7 + a1) * -7373, (a5 + a3) * -20995);
    let (z3, z4) = ((a7 + a3) * -16069 + z5, (a5 + a1) * -3196 + z5);
    let odd = [a1 * 12299 + z1 + z4, a3 * 25172 + z2 + z3, a5 * 16819 + z2 + z4, a7 * 2446 + z1 + z3];
    let rounded = |value: i32| (value + (1 << (shift - 1))) >> shift;
    std::array::from_fn(|k| match k {
        0..4 => rounded(even[k] + odd[k]),
        _ => rounded(even[7 - k] - odd[7 - k]),
    })
}

/// Transforms eight values that are together no larger than `largest`.
fn transform_small(values: [i32; 8], shift: u32, largest: i32) -> Option<[i32; 8]> {
    let sum = values.iter().try_fold(0i32, |sum, value| sum.checked_add(value.checked_abs()?))?;
    (sum <= largest).then(|| transform(values, shift))
}

/// The coefficients of a block after each column was transformed.
fn transform_columns(coefficients: &[i32; 64]) -> Option<[i32; 64]> {
    let mut columns = [0; 64];
    for column in 0..8 {
        let values = std::array::from_fn(|row| coefficients[8 * row + column]);
        let transformed = transform_small(values, FRACTION - BETWEEN, LARGEST[0])?;
        (0..8).for_each(|row| columns[8 * row + column] = transformed[row]);
    }
    Some(columns)
}

/// The pixels of a row of a block.
fn transform_row(columns: &[i32; 64], row: usize) -> Option<[u8; 8]> {
    let values = std::array::from_fn(|column| columns[8 * row + column]);
    let pixels = transform_small(values, FRACTION + BETWEEN + 3, LARGEST[1])?;
    Some(pixels.map(|value| (value + 128).clamp(0, 255) as u8))
}

#[cfg(test)]
mod tests {
    use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

    use super::*;
    use crate::chunk::codec::hostile::texture;

    fn encode(pixels: &[u8], width: usize, quality: i32, optimize: bool) -> Vec<u8> {
        let mut compressor = Compressor::new().unwrap();
        compressor.set_quality(quality).unwrap();
        compressor.set_subsamp(Subsamp::Gray).unwrap();
        compressor.set_optimize(optimize).unwrap();
        let height = pixels.len() / width;
        let image = Image { pixels, width, pitch: width, height, format: PixelFormat::GRAY };
        compressor.compress_to_vec(image).unwrap()
    }

    fn decode(bytes: &[u8], pixels: impl Iterator<Item = usize>) -> Option<Vec<u8>> {
        let image = Grey::parse(bytes)?;
        let wanted = pixels.enumerate().map(|(position, pixel)| image.wanted(pixel, position));
        let mut wanted: Vec<Wanted> = wanted.collect();
        wanted.sort_unstable();
        let mut out = vec![0; wanted.len()];
        image.decode(&wanted, &mut out)?;
        Some(out)
    }

    #[test]
    fn elements_are_those_of_libjpeg() {
        for (width, height) in [(8, 8), (64, 80), (13, 29), (21, 117), (200, 3)] {
            let noise: Vec<u8> = (0..width * height)
                .map(|k| ((k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
                .collect();
            let extremes: Vec<u8> = noise.iter().map(|&value| if value > 127 { 255 } else { 0 }).collect();
            for pixels in [texture(width * height), noise, extremes, vec![7; width * height]] {
                for (quality, optimize) in [(1, false), (30, true), (75, false), (90, false), (100, true)] {
                    let bytes = encode(&pixels, width, quality, optimize);
                    let image = turbojpeg::decompress(&bytes, PixelFormat::GRAY).unwrap();
                    let some = || (0..pixels.len()).step_by(7).rev();
                    let rows = |pixel: usize| image.pixels[pixel / width * image.pitch + pixel % width];
                    let expected: Vec<u8> = some().map(rows).collect();
                    assert_eq!(decode(&bytes, some()), Some(expected), "{width} × {height}, {quality}");
                }
            }
        }
    }

    #[test]
    fn what_is_damaged_is_left_to_libjpeg() {
        let pixels = texture(64 * 64);
        let bytes = encode(&pixels, 64, 90, false);
        let all = || 0..pixels.len();
        assert!(decode(&bytes, all()).is_some());
        for length in 0..bytes.len() - 2 {
            assert_eq!(decode(&bytes[..length], all()), None, "{length} bytes");
        }
        let colour =
            Image { pixels: &pixels[..3072], width: 32, pitch: 96, height: 32, format: PixelFormat::RGB };
        assert!(Grey::parse(&turbojpeg::compress(colour, 90, Subsamp::None).unwrap()).is_none());
    }
}
