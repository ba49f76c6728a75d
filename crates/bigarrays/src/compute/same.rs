//! Whether expressions are of the same elements.

use std::collections::HashSet;

use crate::compute::expr::{Kind, Lazy};

/// Whether two expressions are of the same elements, as far as one can see.
pub(crate) fn is_same(one: &Lazy, other: &Lazy) -> bool {
    Comparing::default().is_same(one, other)
}

/// A walk down two expressions, which ends where they differ.
#[derive(Default)]
struct Comparing {
    /// Nodes that have been compared, each with the one of the other expression: both may be operands of several.
    known: HashSet<(usize, usize)>,
}

impl Comparing {
    fn is_same(&mut self, one: &Lazy, other: &Lazy) -> bool {
        let pair = (one.id(), other.id());
        if pair.0 == pair.1 || self.known.contains(&pair) {
            return true;
        }
        let is_same = self.is_same_anew(one, other);
        if is_same && matches!(one.kind(), Kind::Elementwise(..)) {
            self.known.insert(pair);
        }
        is_same
    }

    fn is_same_anew(&mut self, one: &Lazy, other: &Lazy) -> bool {
        match (one.kind(), other.kind()) {
            (Kind::Source(one), Kind::Source(other)) => {
                std::ptr::eq(one.layout(), other.layout()) && one.transform() == other.transform()
            }
            (Kind::Foreign(one), Kind::Foreign(other)) => one.is_same(other),
            (Kind::View(mapping, one), Kind::View(other_mapping, other)) => {
                mapping == other_mapping && self.is_same(one, other)
            }
            (Kind::Pending(one_number), Kind::Pending(number)) => {
                one_number == number && one.domain() == other.domain()
            }
            (Kind::Constant(one_bytes), Kind::Constant(bytes)) => {
                one_bytes == bytes && one.dtype() == other.dtype() && one.domain() == other.domain()
            }
            (Kind::Convert(one_of), Kind::Convert(of)) => {
                one.dtype() == other.dtype() && self.is_same(one_of, of)
            }
            (Kind::Cast(one_of, one_how), Kind::Cast(of, how)) => {
                one.dtype() == other.dtype() && one_how == how && self.is_same(one_of, of)
            }
            (Kind::Elementwise(one_function, one_all), Kind::Elementwise(function, all)) => {
                one_function == function
                    && one_all.len() == all.len()
                    && one_all.iter().zip(all).all(|(one, other)| self.is_same(one, other))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::domain::Domain;
    use crate::base::dtype::DataType;
    use crate::compute::held::held;

    #[test]
    fn operands_of_several_are_compared_once() {
        let array = held(&Domain::from_shape(&[4]).unwrap(), DataType::U8, &[None], &[3, 9, 4, 7]).unwrap();
        let doubled = |first: u8| {
            let mut sum = (&Lazy::of(&array).unwrap() + i64::from(first)).unwrap();
            for _ in 0..64 {
                sum = (&sum + &sum).unwrap();
            }
            sum
        };
        assert!(is_same(&doubled(1), &doubled(1)));
        assert!(!is_same(&doubled(1), &doubled(2)));
    }
}
