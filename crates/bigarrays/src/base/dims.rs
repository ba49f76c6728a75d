//! One value per axis.

use smallvec::SmallVec;

/// One value per axis, without an allocation up to five axes.
pub type Dims<T> = SmallVec<[T; 5]>;
