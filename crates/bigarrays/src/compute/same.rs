//! Whether expressions are of the same elements.

use crate::compute::expr::{Kind, Lazy};

/// Whether two expressions are of the same elements, as far as one can see.
pub(crate) fn is_same(one: &Lazy, other: &Lazy) -> bool {
    if one.id() == other.id() {
        return true;
    }
    match (one.kind(), other.kind()) {
        (Kind::Source(one), Kind::Source(other)) => {
            std::ptr::eq(one.layout(), other.layout()) && one.transform() == other.transform()
        }
        (Kind::Foreign(one), Kind::Foreign(other)) => one.is_same(other),
        (Kind::View(mapping, one), Kind::View(other_mapping, other)) => {
            mapping == other_mapping && is_same(one, other)
        }
        (Kind::Pending(one_number), Kind::Pending(number)) => {
            one_number == number && one.domain() == other.domain()
        }
        (Kind::Constant(one_bytes), Kind::Constant(bytes)) => {
            one_bytes == bytes && one.dtype() == other.dtype() && one.domain() == other.domain()
        }
        (Kind::Convert(one_of), Kind::Convert(of)) => one.dtype() == other.dtype() && is_same(one_of, of),
        (Kind::Cast(one_of, one_how), Kind::Cast(of, how)) => {
            one.dtype() == other.dtype() && one_how == how && is_same(one_of, of)
        }
        (Kind::Elementwise(one_function, one_all), Kind::Elementwise(function, all)) => {
            one_function == function
                && one_all.len() == all.len()
                && one_all.iter().zip(all).all(|(one, other)| is_same(one, other))
        }
        _ => false,
    }
}
