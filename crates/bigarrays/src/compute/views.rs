//! Views of expressions, and expressions beside each other. Views are pushed down to what is read, so that a part of a result
//! reads what it needs and nothing else.

use std::collections::HashMap;
use std::ops::Range;

use crate::array::{Array, AxisMap, Index};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::expr::{Along, Kind, Lazy};
use crate::compute::groups::Grouping;
use crate::compute::infer::{self, Names};
use crate::compute::mapping::{Mapping, Pick, Placed};
use crate::compute::types::common;

impl Lazy {
    /// The part of the elements that `indices` select, as views of arrays do: a slice keeps coordinates, a step divides
    /// them. Only what is needed of the operands is read.
    ///
    /// # Errors
    /// `OutOfBounds` for an index or a slice outside the domain, `InvalidArgument` for a wrong number of indices.
    pub fn slice(&self, indices: &[Index]) -> Result<Self> {
        let mapping = Mapping::slice(self.domain(), indices)?;
        let inside = |range: Range<i64>, index: &Index| match index {
            Index::Slice { start, stop, .. } => [start, stop]
                .into_iter()
                .flatten()
                .all(|&bound| bound >= range.start.saturating_sub(1) && bound <= range.end),
            Index::At(_) => true,
        };
        if !self.domain().ranges().zip(indices).all(|(range, index)| inside(range, index)) {
            let reason = format!("a slice reaches outside the domain {}", self.domain());
            return Err(Error::new(ErrorKind::OutOfBounds, reason));
        }
        self.view(&mapping)
    }

    /// The same elements at coordinates moved by `offset`.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many offsets as axes, or coordinates leave their range.
    pub fn translate(&self, offset: &[i64]) -> Result<Self> {
        self.view(&Mapping::translation(self.domain(), offset)?)
    }

    /// The expression whose axis `k` is the axis `axes[k]` of this one.
    ///
    /// # Errors
    /// `InvalidArgument` if `axes` does not name every axis once.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        let axes: Dims<Placed> = axes.iter().map(|&axis| Placed::Old(axis)).collect();
        self.view(&Mapping::arranged(self.domain(), &axes)?)
    }

    /// The same elements, repeated along a new axis `axis` of the coordinates `range`.
    ///
    /// # Errors
    /// `InvalidArgument` if `axis` is beyond the number of axes.
    pub fn new_axis(&self, axis: usize, range: Range<i64>) -> Result<Self> {
        if axis > self.ndim() {
            return Err(Error::invalid(format!("a new axis {axis} before one of {} axes", self.ndim())));
        }
        let mut axes: Dims<Placed> = (0..self.ndim()).map(Placed::Old).collect();
        axes.insert(axis, Placed::New(range));
        self.view(&Mapping::arranged(self.domain(), &axes)?)
    }

    /// The elements as those of an operand over `domain` would be: repeated along axes of length 1, and along new ones
    /// before the first.
    ///
    /// # Errors
    /// `InvalidArgument` if they do not lie in `domain`, or have more axes.
    pub fn broadcast_to(&self, domain: &Domain) -> Result<Self> {
        if infer::broadcast(&[self.domain(), domain])? != *domain {
            return Err(Error::invalid(format!("{} does not become {domain} by repeating", self.domain())));
        }
        let whole = Mapping::slice(domain, &Dims::from_elem(Index::ALL, domain.ndim()))?;
        let all = whole.of_argument(self.domain(), domain)?;
        // Leading axes that nothing is shown along are there as well.
        let first = domain.ndim() - all.domain.ndim();
        let moved = |pick: &Pick| pick.axis().map_or_else(|| pick.clone(), |axis| pick.on(axis + first));
        self.view(&Mapping { domain: domain.clone(), picks: all.picks.iter().map(moved).collect() })
    }

    /// The elements at these coordinates of an axis, in their order; they are at 0, 1, … of it then.
    ///
    /// # Errors
    /// `OutOfBounds` for a coordinate outside the domain; `InvalidArgument` for an axis that there is not.
    pub fn take(&self, axis: usize, coordinates: &[i64]) -> Result<Self> {
        if axis >= self.ndim() {
            return Err(Error::invalid(format!("axis {axis} of {} axes", self.ndim())).during("take"));
        }
        self.view(&Mapping::take(self.domain(), axis, coordinates)?)
    }

    /// Several expressions along an axis, one behind the other. Coordinates begin as those of the first.
    ///
    /// # Errors
    /// `InvalidArgument` if there are none, or they do not agree in their other axes.
    pub fn concatenate(parts: &[Self], axis: usize) -> Result<Self> {
        let during = |error: Error| error.during("concatenate");
        let Some(first) = parts.first() else { return Err(during(Error::invalid("no expressions"))) };
        if axis >= first.ndim() {
            return Err(during(Error::invalid(format!("axis {axis} of {} axes", first.ndim()))));
        }
        let dtype = parts.iter().map(Self::dtype).reduce(common).unwrap_or(DataType::Bool);
        let mut ranges: Dims<Range<i64>> = first.domain().ranges().collect();
        let mut placed: Dims<Self> = Dims::new();
        for part in parts {
            let agrees = |(at, range): (usize, Range<i64>)| at == axis || ranges[at] == range;
            if part.ndim() != first.ndim() || !part.domain().ranges().enumerate().all(agrees) {
                let (one, other) = (first.domain(), part.domain());
                let reason =
                    format!("operands over {one} and {other} do not agree in the axes other than {axis}");
                return Err(during(Error::invalid(reason)));
            }
            let end = if placed.is_empty() { ranges[axis].start } else { ranges[axis].end };
            let mut offset: Dims<i64> = Dims::from_elem(0, part.ndim());
            let far = || during(Error::invalid("coordinates leave their range"));
            offset[axis] = end.checked_sub(part.domain().origin()[axis]).ok_or_else(far)?;
            let part = part.converted(dtype)?.translate(&offset).map_err(during)?;
            ranges[axis].end = part.domain().end(axis);
            placed.push(part);
        }
        if let [only] = &placed[..] {
            return Ok(only.clone());
        }
        let names: Vec<Names> = placed.iter().map(|part| part.names().into()).collect();
        let names = infer::names(&names.iter().collect::<Vec<_>>()).map_err(during)?;
        placed.iter().try_for_each(|part| part.expect_shallow()).map_err(during)?;
        Ok(Self::new(Kind::Join(axis, placed), dtype, Domain::from_ranges(&ranges)?, names))
    }

    /// Several expressions over one domain along a new axis, at 0, 1, … of it.
    ///
    /// # Errors
    /// As [`Lazy::concatenate`], and [`Lazy::new_axis`].
    pub fn stack(parts: &[Self], axis: usize) -> Result<Self> {
        let one = |part: &Self| part.new_axis(axis, 0..1);
        Self::concatenate(&parts.iter().map(one).collect::<Result<Vec<_>>>()?, axis)
    }

    /// What of the elements `mapping` shows.
    ///
    /// # Errors
    /// `InvalidArgument` if coordinates leave their range.
    pub(crate) fn view(&self, mapping: &Mapping) -> Result<Self> {
        Viewing::default().view(self, mapping)
    }

    /// This, where `rest` places it; nothing else is left to be done.
    fn placed(self, rest: Mapping, names: Names) -> Result<Self> {
        let dtype = self.dtype();
        if !rest.is_identity(self.domain()) {
            let domain = rest.domain.clone();
            return Ok(Self::new(Kind::View(Box::new(rest), self), dtype, domain, names));
        }
        Ok(self)
    }
}

/// A walk down an expression that makes a view of it.
#[derive(Default)]
struct Viewing {
    /// What has become of each expression: it may be an operand of several.
    known: HashMap<usize, Vec<(Mapping, Lazy)>>,
}

impl Viewing {
    fn view(&mut self, lazy: &Lazy, mapping: &Mapping) -> Result<Lazy> {
        if mapping.is_identity(lazy.domain()) {
            return Ok(lazy.clone());
        }
        let known = self.known.get(&lazy.id()).into_iter().flatten();
        if let Some((_, known)) = known.into_iter().find(|known| known.0 == *mapping) {
            return Ok(known.clone());
        }
        let view = self.view_anew(lazy, mapping)?;
        self.known.entry(lazy.id()).or_default().push((mapping.clone(), view.clone()));
        Ok(view)
    }

    fn view_anew(&mut self, lazy: &Lazy, mapping: &Mapping) -> Result<Lazy> {
        let kind = match lazy.kind() {
            Kind::Source(array) => return of_source(lazy, array, mapping),
            Kind::Reduce(along, of) => return self.of_reduction(lazy, along, of, mapping),
            Kind::Group(grouping, all) => return self.of_groups(lazy, grouping, all, mapping),
            Kind::View(inner, of) => return self.view(of, &inner.then(mapping)?),
            Kind::Constant(bytes) => Kind::Constant(*bytes),
            Kind::Convert(of) => Kind::Convert(self.view(of, mapping)?),
            Kind::Cast(of, how) => Kind::Cast(self.view(of, mapping)?, *how),
            Kind::Elementwise(function, arguments) => {
                let one = |argument: &Lazy| {
                    self.view(argument, &mapping.of_argument(argument.domain(), lazy.domain())?)
                };
                Kind::Elementwise(*function, arguments.iter().map(one).collect::<Result<_>>()?)
            }
            Kind::Foreign(_) | Kind::Pending(_) | Kind::Join(..) | Kind::Operation(..) => {
                Kind::View(Box::new(mapping.clone()), lazy.clone())
            }
        };
        Ok(Lazy::new(kind, lazy.dtype(), mapping.domain.clone(), mapping.names(lazy.names())))
    }

    /// A view of the groups of the box that it shows.
    fn of_groups(
        &mut self,
        lazy: &Lazy,
        grouping: &Grouping,
        all: &Dims<Lazy>,
        mapping: &Mapping,
    ) -> Result<Lazy> {
        let (at, groups) = (grouping.by.axes[0], grouping.by.groups.ndim());
        let mut ranges: Dims<Range<i64>> = lazy.domain().ranges().collect();
        for (own, pick) in mapping.picks.iter().enumerate() {
            if !(at..at + groups).contains(&own) {
                ranges[own] = mapping.shown_range(pick);
            }
        }
        let mut kept = ranges.iter().enumerate().filter(|(own, _)| !(at..at + groups).contains(own));
        let range = |axis: usize| match grouping.by.axes.contains(&axis) {
            true => all[0].domain().range(axis),
            false => kept.next().map_or(0..0, |(_, range)| range.clone()),
        };
        let part = Domain::from_ranges(&(0..all[0].ndim()).map(range).collect::<Dims<_>>())?;
        let boxed = Mapping { picks: (0..part.ndim()).map(Pick::same).collect(), domain: part };
        let all = all.iter().map(|one| self.view(one, &boxed)).collect::<Result<_>>()?;
        let (domain, names) = (Domain::from_ranges(&ranges)?, lazy.names().into());
        let kind = Kind::Group(Box::new(grouping.clone()), all);
        Lazy::new(kind, lazy.dtype(), domain, names).placed(mapping.clone(), mapping.names(lazy.names()))
    }

    /// The reduction of a view: axes that are reduced stay where they are among those that are not.
    fn of_reduction(&mut self, lazy: &Lazy, along: &Along, of: &Lazy, mapping: &Mapping) -> Result<Lazy> {
        let visible = mapping.varying();
        let mut left = visible.iter().enumerate();
        let mut kept = mapping.picks.iter();
        // The axes of what is reduced: where each is, and what it has become.
        let (mut ranges, mut axes): (Dims<Range<i64>>, Dims<usize>) = (Dims::new(), Dims::new());
        let (mut places, mut order): (Dims<usize>, Dims<Option<&Pick>>) = (Dims::new(), Dims::new());
        for axis in 0..of.ndim() {
            if along.axes.contains(&axis) {
                axes.push(ranges.len());
                ranges.push(of.domain().range(axis));
                order.push(None);
                continue;
            }
            let pick = kept.next();
            order.push(pick);
            if pick.is_some_and(|pick| pick.axis().is_some())
                && let Some((_, &axis)) = left.next()
            {
                places.push(ranges.len());
                ranges.push(mapping.domain.range(axis));
            }
        }
        let own = |axis: usize| visible.iter().position(|&one| one == axis).unwrap_or(0);
        let mut reduced = axes.iter();
        let picks = order.into_iter().map(|pick| match pick {
            None => reduced.next().map_or(Pick::Fixed(0), |&axis| Pick::same(axis)),
            Some(pick) => pick.axis().map_or_else(|| pick.clone(), |axis| pick.on(places[own(axis)])),
        });
        let picks = picks.collect();
        let domain = Domain::from_ranges(
            &visible.iter().map(|&axis| mapping.domain.range(axis)).collect::<Dims<_>>(),
        )?;
        let of_ndim = of.ndim();
        let of = self.view(of, &Mapping { domain: Domain::from_ranges(&ranges)?, picks })?;
        let names = places.iter().map(|&axis| of.names()[axis].clone()).collect();
        // Elements are folded in the same order also where axes behind them are gone.
        let is_last = |axes: &[usize], ndim: usize| axes.last().is_some_and(|&axis| axis + 1 == ndim);
        let was_across = along.is_across || !is_last(&along.axes, of_ndim);
        let is_across = was_across && is_last(&axes, of.ndim());
        let kind = Kind::Reduce(Along { reduction: along.reduction, axes, is_across }, of);
        let rest = Mapping {
            domain: mapping.domain.clone(),
            picks: visible.iter().map(|&axis| Pick::same(axis)).collect(),
        };
        Lazy::new(kind, lazy.dtype(), domain, names).placed(rest, mapping.names(lazy.names()))
    }
}

/// A view of an array, as far as it is one, and else a view of that.
fn of_source(lazy: &Lazy, array: &Array, mapping: &Mapping) -> Result<Lazy> {
    let visible = mapping.varying();
    let own = |axis: usize| visible.iter().position(|&one| one == axis).unwrap_or(0);
    let mut ranges: Dims<Range<i64>> = visible.iter().map(|&axis| mapping.domain.range(axis)).collect();
    let (mut maps, mut picks): (Dims<AxisMap>, Dims<Pick>) =
        (Dims::new(), visible.iter().map(|&axis| Pick::same(axis)).collect());
    for (at, pick) in mapping.picks.iter().enumerate() {
        maps.push(match pick {
            Pick::Fixed(at) => AxisMap::Fixed(*at),
            Pick::Along { axis, offset, step } => {
                AxisMap::Along { axis: own(*axis), offset: *offset, step: *step }
            }
            Pick::Listed { axis, .. } => {
                ranges[own(*axis)] = array.domain().range(at);
                picks[own(*axis)] = pick.clone();
                AxisMap::Along { axis: own(*axis), offset: 0, step: 1 }
            }
        });
    }
    let shown = array.transform().through(Domain::from_ranges(&ranges)?, &maps)?;
    let source = Lazy::of(&array.with_transform(shown)?)?;
    let rest = Mapping { domain: mapping.domain.clone(), picks };
    // Names of the array are those of its stored axes.
    source.placed(rest, mapping.names(lazy.names()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::function::Function;

    #[test]
    fn what_is_used_several_times_is_walked_once() {
        let mut lazy = Lazy::of_elements(&Domain::from_shape(&[2]).unwrap(), DataType::U8, &[1, 2]).unwrap();
        for _ in 0..100 {
            lazy = Lazy::apply(Function::BitwiseXor, &[(&lazy).into(), (&lazy).into()]).unwrap();
        }
        assert!(lazy.text().starts_with("((((") && lazy.text().len() < 2_000);
        let slice = Index::Slice { start: Some(1), stop: None, step: 1 };
        let (moved, sliced) = (lazy.translate(&[3]).unwrap(), lazy.slice(&[slice]).unwrap());
        assert_eq!([lazy.size(), moved.size(), sliced.size()], [101; 3]);
        assert!(lazy.slice(&[Index::At(1)]).unwrap().size() <= 102);
    }
}
