//! Flat arrays: `.npy` files that are mapped and grow, and named slices of them.

pub(crate) mod convert;
mod elements;
pub(crate) mod flat_array;
mod held;
pub(crate) mod joined;
mod lookup;
mod metadata;
mod names;
mod opening;
mod rows;
mod selecting;
pub(crate) mod slice_array;
mod slice_opening;
mod source;
pub(crate) mod unpickling;
mod view;
mod writing;

pub(crate) use elements::elements;
