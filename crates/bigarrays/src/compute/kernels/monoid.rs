//! What elements of a window become: each is lifted to a state, states are merged in their order, and the last is finished.

use std::marker::PhantomData;

use bytemuck::Pod;

/// A way to make one element of many.
pub(crate) trait Monoid: Send + Sync {
    type In: Pod + Send + Sync;
    type State: Copy + Send + Sync;
    type Out: Pod + Send + Sync;

    /// The state of no elements.
    const NONE: Self::State;

    fn lift(element: Self::In) -> Self::State;

    /// The state of elements, and of those behind them.
    fn merge(one: Self::State, other: Self::State) -> Self::State;

    /// The result of so many elements.
    fn finish(&self, state: Self::State, count: u64) -> Self::Out;

    /// What stands where there are too few elements.
    fn missing() -> Self::Out;

    /// How many elements of the window count, of so many.
    fn count(_state: Self::State, inside: u64) -> u64 {
        inside
    }
}

/// A floating-point element.
pub(crate) trait Real: Pod + Send + Sync {
    const NAN: Self;
    fn wide(self) -> f64;
    fn narrow(wide: f64) -> Self;
}

impl Real for f32 {
    const NAN: Self = Self::NAN;
    #[inline]
    fn wide(self) -> f64 {
        self.into()
    }
    #[inline]
    fn narrow(wide: f64) -> Self {
        wide as Self
    }
}

impl Real for f64 {
    const NAN: Self = Self::NAN;
    #[inline]
    fn wide(self) -> f64 {
        self
    }
    #[inline]
    fn narrow(wide: f64) -> Self {
        wide
    }
}

/// An element that is larger or smaller than others.
pub(crate) trait Ordered: Pod + Send + Sync {
    const LEAST: Self;
    const MOST: Self;
    const MISSING: Self;
    fn is_nan(self) -> bool;
    fn is_less(self, other: Self) -> bool;
    /// The same, a zero without its sign.
    fn unsigned_zero(self) -> Self;
}

macro_rules! ordered {
    ($($whole:ty),+; $($real:ty),+) => {
        $(impl Ordered for $whole {
            const LEAST: Self = Self::MIN;
            const MOST: Self = Self::MAX;
            const MISSING: Self = 0;
            #[inline]
            fn is_nan(self) -> bool {
                false
            }
            #[inline]
            fn is_less(self, other: Self) -> bool {
                self < other
            }
            #[inline]
            fn unsigned_zero(self) -> Self {
                self
            }
        })+
        $(impl Ordered for $real {
            const LEAST: Self = Self::NEG_INFINITY;
            const MOST: Self = Self::INFINITY;
            const MISSING: Self = Self::NAN;
            #[inline]
            fn is_nan(self) -> bool {
                self != self
            }
            #[inline]
            fn is_less(self, other: Self) -> bool {
                self < other
            }
            #[inline]
            fn unsigned_zero(self) -> Self {
                self + 0.0
            }
        })+
    };
}

ordered!(u8, u16, u32, u64, i8, i16, i32, i64; f32, f64);

/// The sum of floating-point elements, in `f64`.
#[derive(Clone, Copy)]
pub(crate) struct Sum<R>(pub(crate) PhantomData<R>);

impl<R: Real> Monoid for Sum<R> {
    type In = R;
    type State = f64;
    type Out = R;
    // What is added to it stays as it is, also a zero with a sign.
    const NONE: f64 = -0.0;
    #[inline]
    fn lift(element: R) -> f64 {
        element.wide()
    }
    #[inline]
    fn merge(one: f64, other: f64) -> f64 {
        one + other
    }
    #[inline]
    fn finish(&self, state: f64, _count: u64) -> R {
        // Of none it is 0.
        R::narrow(state + 0.0)
    }
    fn missing() -> R {
        R::NAN
    }
}

/// The mean of floating-point elements, in `f64`.
pub(crate) struct Mean<R>(pub(crate) PhantomData<R>);

impl<R: Real> Monoid for Mean<R> {
    type In = R;
    type State = f64;
    type Out = R;
    const NONE: f64 = -0.0;
    #[inline]
    fn lift(element: R) -> f64 {
        element.wide()
    }
    #[inline]
    fn merge(one: f64, other: f64) -> f64 {
        one + other
    }
    #[inline]
    fn finish(&self, state: f64, count: u64) -> R {
        R::narrow(state / count as f64)
    }
    fn missing() -> R {
        R::NAN
    }
}

/// The product of floating-point elements, in `f64`.
#[derive(Clone, Copy)]
pub(crate) struct Product<R>(pub(crate) PhantomData<R>);

impl<R: Real> Monoid for Product<R> {
    type In = R;
    type State = f64;
    type Out = R;
    const NONE: f64 = 1.0;
    #[inline]
    fn lift(element: R) -> f64 {
        element.wide()
    }
    #[inline]
    fn merge(one: f64, other: f64) -> f64 {
        one * other
    }
    #[inline]
    fn finish(&self, state: f64, _count: u64) -> R {
        R::narrow(state)
    }
    fn missing() -> R {
        R::NAN
    }
}

/// The sum of whole numbers of 64 bits, which wraps: that of unsigned ones has the same bits.
#[derive(Clone, Copy)]
pub(crate) struct WholeSum;

impl Monoid for WholeSum {
    type In = i64;
    type State = i64;
    type Out = i64;
    const NONE: i64 = 0;
    #[inline]
    fn lift(element: i64) -> i64 {
        element
    }
    #[inline]
    fn merge(one: i64, other: i64) -> i64 {
        one.wrapping_add(other)
    }
    #[inline]
    fn finish(&self, state: i64, _count: u64) -> i64 {
        state
    }
    fn missing() -> i64 {
        0
    }
}

/// The product of whole numbers of 64 bits, which wraps.
#[derive(Clone, Copy)]
pub(crate) struct WholeProduct;

impl Monoid for WholeProduct {
    type In = i64;
    type State = i64;
    type Out = i64;
    const NONE: i64 = 1;
    #[inline]
    fn lift(element: i64) -> i64 {
        element
    }
    #[inline]
    fn merge(one: i64, other: i64) -> i64 {
        one.wrapping_mul(other)
    }
    #[inline]
    fn finish(&self, state: i64, _count: u64) -> i64 {
        state
    }
    fn missing() -> i64 {
        0
    }
}

/// The least element, or the largest; NaN if one is.
#[derive(Clone, Copy)]
pub(crate) struct Extreme<T, const MOST: bool>(pub(crate) PhantomData<T>);

impl<T: Ordered, const MOST: bool> Monoid for Extreme<T, MOST> {
    type In = T;
    type State = T;
    type Out = T;
    const NONE: T = if MOST { T::LEAST } else { T::MOST };
    #[inline]
    fn lift(element: T) -> T {
        element
    }
    #[inline]
    fn merge(one: T, other: T) -> T {
        let is_first = if MOST { other.is_less(one) } else { one.is_less(other) };
        if is_first | one.is_nan() { one } else { other }
    }
    #[inline]
    fn finish(&self, state: T, _count: u64) -> T {
        state
    }
    fn missing() -> T {
        T::MISSING
    }
}

/// Whether one of some booleans is true, or all are.
pub(crate) struct Truth<const ANY: bool>;

impl<const ANY: bool> Monoid for Truth<ANY> {
    type In = u8;
    type State = u8;
    type Out = u8;
    const NONE: u8 = if ANY { 0 } else { 1 };
    #[inline]
    fn lift(element: u8) -> u8 {
        element
    }
    #[inline]
    fn merge(one: u8, other: u8) -> u8 {
        if ANY { one | other } else { one & other }
    }
    #[inline]
    fn finish(&self, state: u8, _count: u64) -> u8 {
        state
    }
    fn missing() -> u8 {
        0
    }
}

/// The first element, or the last.
pub(crate) struct End<T, const LAST: bool>(pub(crate) PhantomData<T>);

impl<T: Ordered, const LAST: bool> Monoid for End<T, LAST> {
    type In = T;
    type State = (T, bool);
    type Out = T;
    const NONE: (T, bool) = (T::MISSING, false);
    #[inline]
    fn lift(element: T) -> (T, bool) {
        (element, true)
    }
    #[inline]
    fn merge(one: (T, bool), other: (T, bool)) -> (T, bool) {
        let is_first = if LAST { !other.1 } else { one.1 };
        if is_first { one } else { other }
    }
    #[inline]
    fn finish(&self, state: (T, bool), _count: u64) -> T {
        state.0
    }
    fn missing() -> T {
        T::MISSING
    }
}

/// The last element that is not NaN.
#[derive(Clone, Copy)]
pub(crate) struct LastNumber<R>(pub(crate) PhantomData<R>);

impl<R: Ordered> Monoid for LastNumber<R> {
    type In = R;
    type State = R;
    type Out = R;
    const NONE: R = R::MISSING;
    #[inline]
    fn lift(element: R) -> R {
        element
    }
    #[inline]
    fn merge(one: R, other: R) -> R {
        if other.is_nan() { one } else { other }
    }
    #[inline]
    fn finish(&self, state: R, _count: u64) -> R {
        state
    }
    fn missing() -> R {
        R::MISSING
    }
}

/// The variance, or its root.
pub(crate) struct Spread<R> {
    /// What the number of elements is lowered by before it divides.
    pub(crate) correction: f64,
    pub(crate) is_root: bool,
    pub(crate) of: PhantomData<R>,
}

impl<R: Real> Monoid for Spread<R> {
    type In = R;
    // The number of elements, their mean, and the sum of squared distances from it.
    type State = (f64, f64, f64);
    type Out = R;
    const NONE: (f64, f64, f64) = (0.0, 0.0, 0.0);
    #[inline]
    fn lift(element: R) -> (f64, f64, f64) {
        let wide = element.wide();
        // Of infinities and NaN there is no distance.
        (1.0, wide, if wide.is_finite() { 0.0 } else { f64::NAN })
    }
    #[inline]
    fn merge(one: (f64, f64, f64), other: (f64, f64, f64)) -> (f64, f64, f64) {
        let count = one.0 + other.0;
        let (distance, part) = (other.1 - one.1, other.0 / count.max(1.0));
        (count, one.1 + distance * part, one.2 + other.2 + distance * distance * one.0 * part)
    }
    #[inline]
    fn finish(&self, state: (f64, f64, f64), count: u64) -> R {
        let variance = state.2 / (count as f64 - self.correction).max(0.0);
        R::narrow(if self.is_root { variance.sqrt() } else { variance })
    }
    fn missing() -> R {
        R::NAN
    }
}

/// The same of the elements that are not NaN.
pub(crate) struct Numbers<M>(pub(crate) M);

impl<R: Ordered, M: Monoid<In = R>> Monoid for Numbers<M> {
    type In = R;
    type State = (M::State, u32);
    type Out = M::Out;
    const NONE: (M::State, u32) = (M::NONE, 0);
    #[inline]
    fn lift(element: R) -> (M::State, u32) {
        if element.is_nan() { Self::NONE } else { (M::lift(element), 1) }
    }
    #[inline]
    fn merge(one: (M::State, u32), other: (M::State, u32)) -> (M::State, u32) {
        (M::merge(one.0, other.0), one.1 + other.1)
    }
    #[inline]
    fn finish(&self, state: (M::State, u32), count: u64) -> M::Out {
        self.0.finish(state.0, count)
    }
    fn missing() -> M::Out {
        M::missing()
    }
    #[inline]
    fn count(state: (M::State, u32), _inside: u64) -> u64 {
        state.1.into()
    }
}
