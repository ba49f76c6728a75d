//! Types of elements, as levels are made of them.

use std::fmt::Debug;

use half::f16;

use super::lines::Sum;
use crate::base::dtype::Element;

/// An element.
pub(super) trait Voxel: Element + PartialEq + Debug {
    /// What sums of rows are of, up to [`Voxel::ROWS`] of them.
    type Row: Sum + From<Self::Narrow>;
    /// What an element is widened to first.
    type Narrow: Copy;
    /// What all sums are of, which nothing overflows.
    type Sum: Sum + From<Self::Row> + Debug;

    /// What sums are of that are of at most [`Voxel::SMALL`] elements.
    type Small: Sum + From<Self::Row> + Debug;

    /// How many elements such a sum takes.
    const SMALL: u64;
    /// How many elements a row of sums takes.
    const ROWS: usize;
    /// Whether there are elements that are no numbers.
    const HAS_NAN: bool;

    fn narrow(self) -> Self::Narrow;

    /// The element of so many bytes, as memory has them.
    fn of_bytes(bytes: &[u8]) -> Self;

    /// The mean of so many, which are one at least: rounded half to even if it is a whole number.
    fn mean(sum: Self::Sum, count: u64) -> Self;

    /// The means of sums that are all of so many.
    #[inline(always)]
    fn means(sums: &[Self::Sum], count: u64, out: &mut [Self]) {
        out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = Self::mean(sum, count.max(1)));
    }

    /// So many times an element.
    fn times(self, count: u64) -> Self::Sum;

    /// A sum that is known to be small.
    fn small(sum: Self::Sum) -> Self::Small;

    /// The mean of so many, of a small sum.
    fn mean_of_small(sum: Self::Small, count: u64) -> Self;

    /// The means of small sums that are all of so many.
    #[inline(always)]
    fn means_of_small(sums: &[Self::Small], count: u64, out: &mut [Self]) {
        out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = Self::mean_of_small(sum, count.max(1)));
    }

    /// What stands where there is no number.
    fn none() -> Self;

    fn is_nan(self) -> bool;

    /// A number that is the same for elements of the same bits alone.
    fn bits(self) -> u64;

    /// A number that is greater for greater elements; equal elements have the same.
    fn key(self) -> u64;

    /// The element of a key.
    fn of_key(key: u64) -> Self;
}

/// Of what sums are.
pub(super) trait Width<T: Voxel>: Sync {
    type Sum: Sum + From<T::Row>;

    fn mean(sum: Self::Sum, count: u64) -> T;

    fn means(sums: &[Self::Sum], count: u64, out: &mut [T]);

    fn times(element: T, count: u64) -> Self::Sum;
}

/// Sums that nothing overflows.
pub(super) struct Wide;

/// Sums of at most [`Voxel::SMALL`] elements.
pub(super) struct Small;

impl<T: Voxel> Width<T> for Wide {
    type Sum = T::Sum;

    #[inline(always)]
    fn mean(sum: T::Sum, count: u64) -> T {
        T::mean(sum, count)
    }

    #[inline(always)]
    fn means(sums: &[T::Sum], count: u64, out: &mut [T]) {
        T::means(sums, count, out);
    }

    fn times(element: T, count: u64) -> T::Sum {
        element.times(count)
    }
}

impl<T: Voxel> Width<T> for Small {
    type Sum = T::Small;

    #[inline(always)]
    fn mean(sum: T::Small, count: u64) -> T {
        T::mean_of_small(sum, count)
    }

    #[inline(always)]
    fn means(sums: &[T::Small], count: u64, out: &mut [T]) {
        T::means_of_small(sums, count, out);
    }

    fn times(element: T, count: u64) -> T::Small {
        T::small(element.times(count))
    }
}

/// The quotient, rounded half to even. The divisor is positive.
macro_rules! half_even {
    ($sum:expr, $count:expr, $type:ty) => {{
        let (sum, count) = ($sum, $count);
        let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
        let twice = rest - (count - rest);
        quotient + <$type>::from(twice > 0 || (twice == 0 && quotient % 2 != 0))
    }};
}

macro_rules! whole {
    ($($type:ty: $narrow:ty, $row:ty, $small:ty, $sum:ty, $rows:expr, $most:expr, $flip:expr);+ $(;)?) => {$(
        impl Voxel for $type {
            type Row = $row;
            type Narrow = $narrow;
            type Small = $small;
            type Sum = $sum;
            const SMALL: u64 = $most;
            const ROWS: usize = $rows;
            const HAS_NAN: bool = false;

            #[allow(clippy::cast_lossless, reason = "one text for all types")]
            #[inline(always)]
            fn narrow(self) -> $narrow {
                self as $narrow
            }

            fn of_bytes(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }

            #[inline(always)]
            fn mean(sum: $sum, count: u64) -> Self {
                half_even!(sum, count as $sum, $sum) as $type
            }

            #[inline(always)]
            fn means(sums: &[$sum], count: u64, out: &mut [Self]) {
                let pairs = out.iter_mut().zip(sums);
                if !count.is_power_of_two() {
                    return pairs.for_each(|(out, &sum)| *out = Self::mean(sum, count.max(1)));
                }
                // Half of the last place, less one where it is even already.
                let (shift, half) = (count.trailing_zeros(), (count as $sum) >> 1);
                let even = <$sum>::from(half > 0);
                pairs.for_each(|(out, &sum)| *out = ((sum + half - even + ((sum >> shift) & even)) >> shift) as $type);
            }

            fn small(sum: $sum) -> $small {
                sum as $small
            }

            #[inline(always)]
            fn mean_of_small(sum: $small, count: u64) -> Self {
                half_even!(sum, count as $small, $small) as $type
            }

            #[inline(always)]
            fn means_of_small(sums: &[$small], count: u64, out: &mut [Self]) {
                let pairs = out.iter_mut().zip(sums);
                if !count.is_power_of_two() {
                    return pairs.for_each(|(out, &sum)| *out = Self::mean_of_small(sum, count.max(1)));
                }
                let (shift, half) = (count.trailing_zeros(), (count as $small) >> 1);
                let even = <$small>::from(half > 0);
                pairs.for_each(|(out, &sum)| *out = ((sum + half - even + ((sum >> shift) & even)) >> shift) as $type);
            }

            fn times(self, count: u64) -> $sum {
                <$sum>::from(<$row>::from(self.narrow())) * count as $sum
            }

            fn none() -> Self {
                0
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }

            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one text for all types")]
            fn bits(self) -> u64 {
                self as u64
            }

            #[allow(clippy::cast_lossless, reason = "one text for all types")]
            fn key(self) -> u64 {
                (self as i64 as u64) ^ $flip
            }

            fn of_key(key: u64) -> Self {
                (key ^ $flip) as $type
            }
        }
    )+};
}

const SIGN: u64 = 1 << 63;

whole! {
    u8: u16, u16, i32, i64, 256, 1 << 22, 0;
    i8: i16, i16, i32, i64, 256, 1 << 22, SIGN;
    u16: i32, i32, i32, i64, 1 << 15, 1 << 14, 0;
    i16: i32, i32, i32, i64, 1 << 15, 1 << 14, SIGN;
    u32: i64, i64, i64, i128, 1 << 30, 1 << 30, 0;
    i32: i64, i64, i64, i128, 1 << 30, 1 << 30, SIGN;
    u64: i128, i128, i128, i128, usize::MAX, u64::MAX >> 1, 0;
    i64: i128, i128, i128, i128, usize::MAX, u64::MAX >> 1, SIGN;
}

impl Voxel for bool {
    type Row = u16;
    type Narrow = u16;
    type Small = i64;
    type Sum = i64;
    const SMALL: u64 = u64::MAX >> 1;
    const ROWS: usize = (1 << 16) - 1;
    const HAS_NAN: bool = false;

    #[inline(always)]
    fn narrow(self) -> u16 {
        u16::from(self)
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        bytes.iter().any(|&byte| byte != 0)
    }

    #[inline(always)]
    fn mean(sum: i64, count: u64) -> Self {
        half_even!(sum, count as i64, i64) != 0
    }

    fn times(self, count: u64) -> i64 {
        i64::from(self) * count as i64
    }

    fn small(sum: i64) -> i64 {
        sum
    }

    #[inline(always)]
    fn mean_of_small(sum: i64, count: u64) -> Self {
        Self::mean(sum, count)
    }

    fn none() -> Self {
        false
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self)
    }

    fn key(self) -> u64 {
        u64::from(self)
    }

    fn of_key(key: u64) -> Self {
        key != 0
    }
}

macro_rules! real {
    ($($type:ty, $widen:expr, $shorten:expr);+ $(;)?) => {$(
        impl Voxel for $type {
            type Row = f64;
            type Narrow = f64;
            type Small = f64;
            type Sum = f64;
            const SMALL: u64 = u64::MAX >> 1;
            const ROWS: usize = usize::MAX;
            const HAS_NAN: bool = true;

            #[inline(always)]
            fn narrow(self) -> f64 {
                $widen(self)
            }

            fn of_bytes(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }

            #[inline(always)]
            fn mean(sum: f64, count: u64) -> Self {
                $shorten(sum / count as f64)
            }

            fn times(self, count: u64) -> f64 {
                $widen(self) * count as f64
            }

            fn small(sum: f64) -> f64 {
                sum
            }

            #[inline(always)]
            fn mean_of_small(sum: f64, count: u64) -> Self {
                Self::mean(sum, count)
            }

            fn none() -> Self {
                $shorten(f64::NAN)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                $widen(self).is_nan()
            }

            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }

            fn key(self) -> u64 {
                // The two zeros are equal.
                let bits = ($widen(self) + 0.0).to_bits();
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            }

            fn of_key(key: u64) -> Self {
                $shorten(f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN }))
            }
        }
    )+};
}

real! {
    f16, f16::to_f64, f16::from_f64;
    f32, f64::from, |wide: f64| wide as f32;
    f64, |wide: f64| wide, |wide: f64| wide;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_rounded_half_to_even() {
        assert_eq!([1, 3, 5, 6].map(|sum| u8::mean(sum, 2)), [0, 2, 2, 3]);
        assert_eq!([-1, -3, -5, -7].map(|sum| i8::mean(sum, 2)), [0, -2, -2, -4]);
        assert_eq!([-1, 1, 2].map(|sum| i16::mean(sum, 3)), [0, 0, 1]);
        assert_eq!(u64::mean(2 * (i128::from(u64::MAX) - 1), 2), u64::MAX - 1);
        assert_eq!(i64::mean(8 * i128::from(i64::MIN), 8), i64::MIN);
        assert!(!bool::mean(4, 8) && bool::mean(5, 8));
    }

    #[test]
    fn keys_are_in_the_order_of_elements() {
        fn check<T: Voxel + PartialOrd>(all: &[T]) {
            assert!(all.windows(2).all(|two| two[0].key() < two[1].key()), "{all:?}");
            assert!(all.iter().all(|&one| T::of_key(one.key()) == one), "{all:?}");
        }
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[0u64, 1, 1 << 63, u64::MAX]);
        check(&[i64::MIN, -7, 0, i64::MAX]);
        check(&[f32::NEG_INFINITY, -1.5, 0.0, 1e-40, 2.0, f32::INFINITY]);
        check(&[f64::MIN, -0.0, 1.0]);
        assert_eq!((-0.0f32).key(), 0.0f32.key());
    }
}
