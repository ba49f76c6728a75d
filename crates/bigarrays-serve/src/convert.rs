//! Types that the viewer has, and how elements of others become them.

use bigarrays::DataType;
use half::f16;

/// What elements are shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) from: DataType,
    pub(crate) to: DataType,
}

impl Shown {
    /// The type that shows elements of `from`; `None` where they are no numbers. If `wide`, some whole numbers are far from zero.
    pub(crate) fn of(from: DataType, labels: bool, wide: bool) -> Option<Self> {
        let to = match from {
            DataType::Bool => DataType::U8,
            DataType::I64 if labels => DataType::U64,
            DataType::I64 if wide => DataType::F32,
            DataType::I64 => DataType::I32,
            DataType::F16 | DataType::F64 => DataType::F32,
            DataType::I8 if labels => DataType::I32,
            _ if from.is_number() => from,
            _ => return None,
        };
        Some(Self { from, to })
    }

    /// What is said where elements are not shown as they are.
    pub(crate) fn mark(self) -> Option<&'static str> {
        match (self.from, self.to) {
            (DataType::F64, DataType::F32) => Some("float64 rounded to float32"),
            (DataType::I64, DataType::F32) => Some("int64 rounded to float32"),
            (DataType::I64, DataType::I32) => Some("int64 limited to int32"),
            (DataType::I64, DataType::U64) => Some("int64 as uint64"),
            _ => None,
        }
    }

    /// The elements as they are shown, little-endian.
    pub(crate) fn convert(self, bytes: Vec<u8>) -> Vec<u8> {
        match (self.from, self.to) {
            (DataType::F16, DataType::F32) => {
                each(&bytes, |x| f32::from(f16::from_ne_bytes(x)).to_le_bytes())
            }
            (DataType::F64, DataType::F32) => each(&bytes, |x| (f64::from_ne_bytes(x) as f32).to_le_bytes()),
            (DataType::I64, DataType::F32) => each(&bytes, |x| (i64::from_ne_bytes(x) as f32).to_le_bytes()),
            (DataType::I64, DataType::I32) => {
                let limits = (i64::from(i32::MIN), i64::from(i32::MAX));
                each(&bytes, |x| (i64::from_ne_bytes(x).clamp(limits.0, limits.1) as i32).to_le_bytes())
            }
            (DataType::I8, DataType::I32) => each(&bytes, |x| i32::from(i8::from_ne_bytes(x)).to_le_bytes()),
            _ if cfg!(target_endian = "little") => bytes,
            _ => swapped(bytes, self.to.part_size()),
        }
    }
}

fn each<const N: usize, const M: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> [u8; M]) -> Vec<u8> {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().flat_map(|&element| one(element)).collect()
}

fn swapped(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    bytes
}

/// The elements as numbers, as near as there are.
pub(crate) fn numbers(bytes: &[u8], dtype: DataType) -> Vec<f64> {
    fn of<const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|&element| one(element)).collect()
    }
    match dtype {
        DataType::Bool | DataType::U8 => of(bytes, |x| f64::from(u8::from_ne_bytes(x))),
        DataType::I8 => of(bytes, |x| f64::from(i8::from_ne_bytes(x))),
        DataType::U16 => of(bytes, |x| f64::from(u16::from_ne_bytes(x))),
        DataType::I16 => of(bytes, |x| f64::from(i16::from_ne_bytes(x))),
        DataType::U32 => of(bytes, |x| f64::from(u32::from_ne_bytes(x))),
        DataType::I32 => of(bytes, |x| f64::from(i32::from_ne_bytes(x))),
        DataType::U64 => of(bytes, |x| u64::from_ne_bytes(x) as f64),
        DataType::I64 => of(bytes, |x| i64::from_ne_bytes(x) as f64),
        DataType::F16 => of(bytes, |x| f64::from(f16::from_ne_bytes(x))),
        DataType::F32 => of(bytes, |x| f64::from(f32::from_ne_bytes(x))),
        DataType::F64 => of(bytes, f64::from_ne_bytes),
        _ => Vec::new(),
    }
}

/// The elements as people write them, each in full.
pub(crate) fn texts(bytes: &[u8], dtype: DataType) -> Vec<String> {
    fn of<const N: usize, T: ToString>(bytes: &[u8], one: impl Fn([u8; N]) -> T) -> Vec<String> {
        bytes.as_chunks::<N>().0.iter().map(|&element| one(element).to_string()).collect()
    }
    match dtype {
        DataType::U64 => of(bytes, u64::from_ne_bytes),
        DataType::I64 => of(bytes, i64::from_ne_bytes),
        DataType::F16 => of(bytes, f16::from_ne_bytes),
        DataType::F32 => of(bytes, f32::from_ne_bytes),
        DataType::F64 => of(bytes, f64::from_ne_bytes),
        _ => numbers(bytes, dtype).iter().map(f64::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_viewer_lacks_becomes_what_is_nearest_or_is_marked() {
        let shown = |from, labels, wide| Shown::of(from, labels, wide).unwrap();
        let half = shown(DataType::F16, false, false);
        assert_eq!(half.convert(f16::from_f32(1.5).to_ne_bytes().to_vec()), 1.5f32.to_le_bytes());
        assert_eq!((half.mark(), half.to), (None, DataType::F32));
        let whole = shown(DataType::I64, false, false);
        let limited: Vec<u8> = [i32::MIN, -7].iter().flat_map(|x| x.to_le_bytes()).collect();
        let bytes: Vec<u8> = [i64::MIN, -7].iter().flat_map(|x| x.to_ne_bytes()).collect();
        assert_eq!(whole.convert(bytes), limited);
        assert!(whole.mark().is_some());
        let ids = shown(DataType::U64, true, true);
        assert_eq!(ids.convert(u64::MAX.to_ne_bytes().to_vec()), u64::MAX.to_le_bytes());
        assert_eq!(texts(&i64::MIN.to_ne_bytes(), DataType::I64), ["-9223372036854775808"]);
        assert_eq!(texts(&0.1f64.to_ne_bytes(), DataType::F64), ["0.1"]);
        assert_eq!(texts(&[1, 0], DataType::Bool), ["1", "0"]);
        assert_eq!(Shown::of(DataType::Text(4), false, false), None);
    }
}
