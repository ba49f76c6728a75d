//! Elements by their rank among others.

use bytemuck::Pod;
use half::f16;

/// Whole numbers as bits, whose order as numbers without a sign is the same.
pub(crate) trait Bits: Copy {
    /// How many bits there are.
    const WIDTH: u32;
    fn bits(self) -> u64;
    fn of_bits(bits: u64) -> Self;
}

macro_rules! bits {
    ($($T:ty, $U:ty, $turned:expr);+) => { $(
        impl Bits for $T {
            const WIDTH: u32 = <$T>::BITS;
            #[inline(always)]
            #[allow(clippy::cast_lossless)]
            fn bits(self) -> u64 { (self as $U ^ $turned) as u64 }
            fn of_bits(bits: u64) -> $T { (bits as $U ^ $turned) as $T }
        }
    )+ };
}

bits! {
    u8, u8, 0; u16, u16, 0; u32, u32, 0; u64, u64, 0;
    i8, u8, 1 << 7; i16, u16, 1 << 15; i32, u32, 1 << 31; i64, u64, 1 << 63
}

/// Elements as whole numbers in the same order; NaN is the largest, −0 is below 0.
pub(crate) trait Ranked: Pod {
    type Key: Bits + Ord + Default + Send + Sync + 'static;
    /// The key of NaN, if there is one.
    const MISSING: Option<Self::Key>;
    fn key(self) -> Self::Key;
    fn of(key: Self::Key) -> Self;
    fn as_f64(self) -> f64;
    fn from_f64(number: f64) -> Self;
}

macro_rules! whole {
    ($($T:ty),+) => { $(
        impl Ranked for $T {
            type Key = $T;
            const MISSING: Option<$T> = None;
            #[inline(always)]
            fn key(self) -> $T { self }
            #[inline(always)]
            fn of(key: $T) -> $T { key }
            #[allow(clippy::cast_lossless)]
            fn as_f64(self) -> f64 { self as f64 }
            fn from_f64(number: f64) -> $T { number as $T }
        }
    )+ };
}

whole! { i8, i16, i32, i64, u8, u16, u32, u64 }

macro_rules! real {
    ($($T:ty, $Key:ty, $bits:literal, $to:expr, $from:expr);+) => { $(
        impl Ranked for $T {
            type Key = $Key;
            const MISSING: Option<$Key> = Some(<$Key>::MAX);
            #[inline(always)]
            fn key(self) -> $Key {
                let bits = self.to_bits() as $Key;
                // Bits of negative numbers but the sign are turned: they count downward.
                let key = bits ^ ((bits >> ($bits - 1)) & <$Key>::MAX);
                if self.is_nan() { <$Key>::MAX } else { key }
            }
            #[inline(always)]
            fn of(key: $Key) -> $T {
                let bits = key ^ ((key >> ($bits - 1)) & <$Key>::MAX);
                <$T>::from_bits(bits.cast_unsigned())
            }
            fn as_f64(self) -> f64 { $to(self) }
            fn from_f64(number: f64) -> $T { $from(number) }
        }
    )+ };
}

real! {
    f16, i16, 16, f16::to_f64, f16::from_f64;
    f32, i32, 32, f64::from, |number: f64| number as f32;
    f64, i64, 64, |number| number, |number| number
}

/// Puts the elements of these ranks, ascending, into their places.
pub(crate) fn select<K: Ord + Copy>(keys: &mut [K], ranks: &[usize]) {
    let mut done = 0;
    for &rank in ranks {
        if rank < done || rank >= keys.len() {
            continue;
        }
        let rest = &mut keys[done..];
        if rank == done && done > 0 {
            // The least of those that are larger.
            let least = rest.iter().copied().min();
            let place = rest.iter().position(|key| Some(*key) == least);
            rest.swap(0, place.unwrap_or(0));
        } else {
            rest.select_nth_unstable(rank - done);
        }
        done = rank + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_numbers() {
        let all = [f32::NEG_INFINITY, -1.5, -1e-40, -0.0, 0.0, 1e-40, 2.0, f32::INFINITY, f32::NAN];
        assert!(all.map(f32::key).is_sorted());
        assert_eq!(f32::of((-1.5f32).key()), -1.5);
        assert!(
            f32::of((-f32::NAN).key()).is_nan() && (-f32::NAN).key() == <f32 as Ranked>::MISSING.unwrap()
        );
    }

    #[test]
    fn bits_are_in_the_order_of_numbers() {
        let all = [f64::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-300, 3.0, f64::INFINITY, f64::NAN];
        assert!(all.map(|one| one.key().bits()).is_sorted());
        assert!([i32::MIN, -1, 0, 7, i32::MAX].map(Bits::bits).is_sorted());
        assert_eq!([i8::MIN, -3, 5].map(|one| i8::of_bits(one.bits())), [i8::MIN, -3, 5]);
        assert_eq!((u64::MAX.bits(), (-1i16).bits()), (u64::MAX, 0x7FFF));
    }

    #[test]
    fn several_ranks_are_found_one_after_the_other() {
        let mut keys: Vec<i32> = (0..100).map(|k| (k * 37) % 100).collect();
        select(&mut keys, &[3, 4, 5, 50, 99]);
        assert_eq!([3, 4, 5, 50, 99].map(|rank| keys[rank]), [3, 4, 5, 50, 99]);
    }
}
