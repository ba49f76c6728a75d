use proptest::prelude::*;

use super::*;
use crate::base::buffer::Order;
use crate::base::buffer::tests::{Line, bytes_of};
use crate::base::dims::Dims;
use crate::base::error::ErrorKind;

fn spec(dtype: DataType, shape: &[usize]) -> ChunkSpec {
    ChunkSpec { dtype, shape: shape.into() }
}

/// `count` labels of which neighbours are often equal, of at most `distinct` values.
fn labels(dtype: DataType, count: usize, distinct: u64, seed: u64) -> Vec<u8> {
    let label = |i: u64| ((i / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % distinct;
    let bytes = |i| (label(i + seed).wrapping_mul(0x1_0000_0001)).to_le_bytes();
    (0..count as u64).flat_map(|i| bytes(i)[..dtype.size()].to_vec()).collect()
}

fn encode(codec: CompressedSegmentation, bytes: &[u8], spec: &ChunkSpec, order: Order) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    codec.encode(&View::dense(bytes, &spec.shape, spec.dtype.size(), order)?, spec, &mut encoded)?;
    Ok(encoded)
}

fn decode(
    codec: CompressedSegmentation,
    encoded: &[u8],
    spec: &ChunkSpec,
    region: &Region,
    order: Order,
) -> Result<Vec<u8>> {
    let mut out = vec![0xa5; region.count.iter().product::<usize>() * spec.dtype.size()];
    codec.decode(
        encoded,
        spec,
        region,
        &mut ViewMut::dense(&mut out, &region.count, spec.dtype.size(), order)?,
    )?;
    let mut lines = vec![Line([0x5a; 64]); out.len() / 64 + 1];
    let streamed = &mut bytes_of(&mut lines)[..out.len()];
    let view = ViewMut::dense(streamed, &region.count, spec.dtype.size(), order)?;
    codec.decode(encoded, spec, region, &mut view.streaming())?;
    assert!(bytes_of(&mut lines)[..out.len()] == out, "streamed otherwise");
    Ok(out)
}

/// Rows of whole lines, of which each block has one.
#[test]
fn lines_are_streamed() {
    let spec = spec(DataType::U64, &[24, 16, 9]);
    let codec = CompressedSegmentation::new([8, 8, 8]).unwrap();
    for distinct in [1, 2, 3, 40, 300, 1 << 20] {
        let bytes = labels(spec.dtype, 24 * 16 * 9, distinct, 7);
        let encoded = encode(codec, &bytes, &spec, Order::Fortran).unwrap();
        let decoded = decode(codec, &encoded, &spec, &Region::whole(&spec.shape), Order::Fortran).unwrap();
        assert!(decoded == bytes, "{distinct} labels");
    }
}

proptest! {
    /// Whatever is encoded decodes, whole and in stepped parts, at every width of values.
    #[test]
    fn decodes_what_it_encodes(
        shape in prop::array::uniform4(1usize..24), block in prop::array::uniform3(1usize..20), wide: bool,
        distinct in prop::sample::select(vec![1u64, 2, 3, 5, 40, 300, 1 << 20]), seed in 0u64..1000,
        cut in prop::array::uniform4((0usize..24, 1usize..24, 1usize..4)), from_c: bool, to_c: bool,
    ) {
        let shape = [shape[0], shape[1], shape[2], 1 + shape[3] % 3];
        let (from, to) = ([Order::Fortran, Order::C][usize::from(from_c)], [Order::Fortran, Order::C][usize::from(to_c)]);
        let spec = spec(if wide { DataType::U64 } else { DataType::U32 }, &shape);
        let codec = CompressedSegmentation::new(block).unwrap();
        let bytes = labels(spec.dtype, shape.iter().product(), distinct, seed);
        let encoded = encode(codec, &bytes, &spec, from).unwrap();
        prop_assert!(encoded.len() <= codec.max_encoded_len(&spec));
        let mut region = Region::whole(&shape);
        for axis in 0..4 {
            region.start[axis] = cut[axis].0.min(shape[axis] - 1);
            region.step[axis] = cut[axis].2;
            region.count[axis] = cut[axis].1.min((shape[axis] - region.start[axis]).div_ceil(cut[axis].2));
        }
        for region in [region, Region::whole(&shape)] {
            let mut expected = vec![0; region.count.iter().product::<usize>() * spec.dtype.size()];
            let source = View::dense(&bytes, &shape, spec.dtype.size(), from).unwrap().region(&region);
            ViewMut::dense(&mut expected, &region.count, spec.dtype.size(), to).unwrap().copy_from(&source);
            prop_assert_eq!(decode(codec, &encoded, &spec, &region, to).unwrap(), expected);
        }
    }

    /// Damage is an error or wrong labels, never a panic; a lost byte is always an error.
    #[test]
    fn survives_damage(cut: prop::sample::Index, flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let (codec, spec) = (CompressedSegmentation::new([8, 4, 3]).unwrap(), spec(DataType::U64, &[13, 9, 7, 2]));
        let whole = Region::whole(&spec.shape);
        let bytes = labels(spec.dtype, 13 * 9 * 7 * 2, 40, 1);
        let mut encoded = encode(codec, &bytes, &spec, Order::C).unwrap();
        prop_assert!(decode(codec, &encoded[..cut.index(encoded.len())], &spec, &whole, Order::Fortran).is_err());
        for flip in flips {
            let bit = flip.index(encoded.len().min(400) * 8);
            encoded[bit / 8] ^= 1 << (bit % 8);
        }
        for order in [Order::C, Order::Fortran] {
            let _ = decode(codec, &encoded, &spec, &whole, order);
        }
    }
}

#[test]
fn equal_tables_are_stored_once() {
    let (codec, spec) = (CompressedSegmentation::new([2, 2, 2]).unwrap(), spec(DataType::U32, &[64, 2, 2]));
    let bytes: Vec<u8> = (0..256u32).flat_map(|i| (i % 2 + 5).to_le_bytes()).collect();
    let encoded = encode(codec, &bytes, &spec, Order::Fortran).unwrap();
    // One channel offset; 32 blocks of a header and one word; one table of two.
    assert_eq!(encoded.len(), 4 + 32 * (8 + 4) + 8);
}

#[test]
fn a_chunk_beyond_the_table_offsets_is_refused_with_advice() {
    let (codec, spec) =
        (CompressedSegmentation::new([256, 256, 8]).unwrap(), spec(DataType::U64, &[256, 256, 256]));
    let bytes: Vec<u8> = (0..1u64 << 24).flat_map(|i| (i / 2).to_le_bytes()).collect();
    let error = encode(codec, &bytes, &spec, Order::Fortran).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("smaller chunks, such as [256, 256, 128]"), "{error}");
}

#[test]
fn values_beyond_a_table_at_the_end_are_corrupt() {
    let (codec, spec) = (CompressedSegmentation::new([8, 1, 1]).unwrap(), spec(DataType::U32, &[8, 1, 1]));
    let file = |values: u32| -> Vec<u8> {
        [1u32, 3 | 2 << 24, 2, values, 7, 8, 9].iter().flat_map(|word| word.to_le_bytes()).collect()
    };
    // The table starts at word 3 and ends after three of the four entries that two bits can name.
    let read = |values| decode(codec, &file(values), &spec, &Region::whole(&spec.shape), Order::C);
    assert_eq!(read(0b10_01_00).unwrap()[..12], [7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(read(0b11_00).unwrap_err().kind(), ErrorKind::CorruptData);
}

#[test]
fn refuses_what_it_cannot_hold() {
    let codec = CompressedSegmentation::new([8, 8, 8]).unwrap();
    assert!(codec.check(&spec(DataType::U64, &[3, 4, 5])).is_ok());
    assert!(codec.check(&spec(DataType::U16, &[3, 4, 5])).is_err());
    assert!(codec.check(&spec(DataType::U32, &[4, 5])).is_err());
    assert!(codec.check(&spec(DataType::U32, &[usize::MAX, 2, 2])).is_err());
    let absurd: Dims<usize> = [usize::MAX; 3].as_slice().into();
    assert!(codec.max_encoded_len(&ChunkSpec { dtype: DataType::U32, shape: absurd }) == 0);
    for block in [[0, 8, 8], [256, 256, 257], [usize::MAX, 2, 2]] {
        assert!(CompressedSegmentation::new(block).is_err());
    }
}
