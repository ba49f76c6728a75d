//! Flat arrays: `.npy` files that are mapped and grow, and named slices of them.

pub(crate) mod convert;
mod elements;
pub(crate) mod flat_array;
mod held;
mod lookup;
mod metadata;
mod names;
mod opening;
mod rows;
pub(crate) mod slice_array;
mod source;
mod view;

pub(crate) use elements::elements;
