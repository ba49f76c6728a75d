//! Loops for the widest registers that the processor has.
//!
//! Such a loop does the same operations on the same elements in the same order, more of them at once: lanes are counted by the
//! code, never by the registers, and products and sums are not contracted. Results are therefore the same bits, but for which NaN
//! the sum of two is; of what is folded, that is made one in the end.

#[cfg(test)]
thread_local! {
    /// Whether loops of this thread use none but the instructions that all processors have.
    pub(crate) static NARROW: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
/// What `work` gives with and without wide registers.
pub(crate) fn both<R>(work: impl Fn() -> R) -> (R, R) {
    let wide = work();
    NARROW.set(true);
    let narrow = work();
    NARROW.set(false);
    (wide, narrow)
}

/// Whether registers of 256 bits may be used.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_avx2() -> bool {
    #[cfg(test)]
    if NARROW.get() {
        return false;
    }
    std::arch::is_x86_feature_detected!("avx2")
}

/// Has a function be compiled twice, for all processors and for those with AVX2, and be called as the processor allows. What it
/// calls has to be `#[inline(always)]` to be compiled so too.
macro_rules! widest {
    (
        $(#[$attribute:meta])*
        $visible:vis fn $name:ident $(<$($T:ident: $Bound:path),+>)? ($($argument:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        #[inline]
        $visible fn $name $(<$($T: $Bound),+>)? ($($argument: $type),*) {
            #[inline(always)]
            fn plain $(<$($T: $Bound),+>)? ($($argument: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide $(<$($T: $Bound),+>)? ($($argument: $type),*) {
                    plain$(::<$($T),+>)?($($argument),*);
                }
                if $crate::base::widest::has_avx2() {
                    // SAFETY: the processor has these instructions.
                    return unsafe { wide$(::<$($T),+>)?($($argument),*) };
                }
            }
            plain$(::<$($T),+>)?($($argument),*);
        }
    };
}
pub(crate) use widest;
