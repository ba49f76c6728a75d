use proptest::prelude::*;

use super::*;
use crate::base::error::ErrorKind;

const INDEXED: &[u8] = include_bytes!("../../../../tests/data/codec/compresso4-4x4x1-uint8-37x21x6.bin");
const JOINED: &[u8] = include_bytes!("../../../../tests/data/codec/compresso6-4x4x2-uint32-21x19x9.bin");

fn spec(dtype: DataType, shape: &[usize]) -> ChunkSpec {
    ChunkSpec { dtype, shape: shape.into() }
}

fn read(bytes: &[u8], spec: &ChunkSpec) -> Result<Vec<u8>> {
    let mut out = vec![0; spec.byte_len()?];
    let mut view = ViewMut::dense(&mut out, &spec.shape, spec.dtype.size(), Order::Fortran)?;
    Compresso.decode(bytes, spec, &Region::whole(&spec.shape), &mut view)?;
    Ok(out)
}

proptest! {
    /// Damage is an error or wrong labels, never a panic; a lost byte is always an error.
    #[test]
    fn survives_damage(
        joined: bool, cut: prop::sample::Index, flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let (file, spec) = match joined {
            true => (JOINED, spec(DataType::U32, &[21, 19, 9])),
            false => (INDEXED, spec(DataType::U8, &[37, 21, 6])),
        };
        prop_assert!(read(&file[..cut.index(file.len())], &spec).is_err());
        let mut damaged = file.to_vec();
        for flip in flips {
            let bit = flip.index(file.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        let _ = read(&damaged, &spec);
    }
}

#[test]
fn headers_must_agree_with_the_chunk() {
    let kind = |at: usize, value: u8| {
        let mut bytes = INDEXED.to_vec();
        bytes[at] = value;
        read(&bytes, &spec(DataType::U8, &[37, 21, 6])).unwrap_err().kind()
    };
    assert_eq!(kind(0, b'x'), ErrorKind::CorruptData);
    assert_eq!(kind(4, 2), ErrorKind::Unsupported);
    for (at, value) in [(5, 2), (6, 38), (12, 0), (12, 255), (21, 1), (22, 255), (34, 255), (35, 5), (35, 6)]
    {
        assert_eq!(kind(at, value), ErrorKind::CorruptData, "byte {at}");
    }
}

/// A ring of boundary cannot name a neighbour that is on the boundary itself, whose label is not known.
#[test]
fn locations_name_known_labels_only() {
    let file = |code: u8| {
        let header = b"cpso\0\x01\x02\0\x01\0\x01\0\x04\x04\x01".iter().copied();
        let sizes = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4];
        header.chain(sizes).chain([3, 0, code, 9, 0, 0]).collect::<Vec<u8>>()
    };
    let spec = spec(DataType::U8, &[2, 1, 1]);
    assert_eq!(read(&file(12), &spec).unwrap(), [5, 2]);
    assert_eq!(read(&file(1), &spec).unwrap_err().kind(), ErrorKind::CorruptData);
}

#[test]
fn refuses_what_it_cannot_hold() {
    assert!(Compresso.check(&spec(DataType::U64, &[3, 4, 5, 1])).is_ok());
    assert!(Compresso.check(&spec(DataType::U64, &[3, 4, 5, 2])).is_err());
    assert!(Compresso.check(&spec(DataType::I32, &[3, 4, 5])).is_err());
    assert!(Compresso.check(&spec(DataType::U8, &[65536, 1, 1])).is_err());
    let view = View::dense(&[1], &[1, 1, 1], 1, Order::C).unwrap();
    let error = Compresso.encode(&view, &spec(DataType::U8, &[1, 1, 1]), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("compressed_segmentation"));
}
