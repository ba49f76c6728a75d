//! Which levels there are: by which factors, over which boxes, and of what they are made.

use std::ops::Range;

use crate::array::{Array, ChunkSet};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::{Journal, is_of_space};
use crate::format::{CreateSpec, NewSharding, Scale, StorageSpec};
use crate::jobs::pyramid::options::{Downsampling, PyramidOptions, Work};

/// The most levels that are made.
const MOST: usize = 32;

/// The most elements along an axis that become one.
const MOST_FACTOR: u64 = 1 << 40;

/// A unit has room for so many shards that the format chooses.
const SHARDS_OF_UNIT: u64 = 4;

/// A volume of so many chunks needs no further level.
const FEW: u64 = 2;

/// A level that is to be made, in coordinates in which element 0 of each level begins where that of the source does.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// The array; its domain may have another origin in the layer.
    pub(super) array: Array,
    /// What it is made of; `None` if it is in the layer.
    pub(super) spec: Option<CreateSpec>,
    /// Elements of the source along each axis that become one.
    pub(super) factor: Dims<u64>,
    /// Elements of the level before that become one.
    pub(super) step: Dims<u64>,
    /// What of it is made.
    pub(super) active: Domain,
    /// Where its chunks begin, and how long they are.
    pub(super) chunks: Dims<(i64, u64)>,
    /// How it is asked to be stored.
    pub(super) asked: String,
}

/// A level before it is an array: what it is made of, its box, and its factors from the source and from the level before.
type Planned = (CreateSpec, Domain, Dims<u64>, Dims<u64>);

/// The source and the levels that are made of it.
#[derive(Debug)]
pub(super) struct Levels {
    /// The source, in those coordinates.
    pub(super) source: Array,
    pub(super) levels: Vec<Level>,
    /// Whether the layer has listed all of them before, and nobody has begun to make them.
    pub(super) are_listed: bool,
}

/// By how much coordinates of the source move to those that are counted from where elements of all levels begin.
fn offset(source: &Array) -> Result<Dims<i64>> {
    let is_zero = source.scales_begin_at_zero()?;
    Ok(source.domain().origin().iter().map(|&first| if is_zero { 0 } else { -first }).collect())
}

/// The coordinates of a level.
fn coordinates(range: &Range<i64>, factor: u64, method: Downsampling) -> Range<i64> {
    let factor = factor as i64;
    let up = |at: i64| at.div_euclid(factor) + i64::from(at.rem_euclid(factor) != 0);
    let first = if method == Downsampling::Stride { up(range.start) } else { range.start.div_euclid(factor) };
    first..up(range.end).max(first)
}

/// The box of a level.
pub(super) fn domain_of(domain: &Domain, factor: &[u64], method: Downsampling) -> Result<Domain> {
    let ranges: Vec<_> =
        domain.ranges().zip(factor).map(|(range, &factor)| coordinates(&range, factor, method)).collect();
    Domain::from_ranges(&ranges)
}

/// The box that elements of a box are made of, so many along each axis each.
pub(super) fn made_of(domain: &Domain, factor: impl Iterator<Item = u64>) -> Result<Domain> {
    let along = |(range, factor): (Range<i64>, u64)| {
        range.start.saturating_mul(factor as i64)..range.end.saturating_mul(factor as i64)
    };
    Domain::from_ranges(&domain.ranges().zip(factor).map(along).collect::<Vec<_>>())
}

/// Whether an axis is one of space.
fn is_space(source: &Array) -> Dims<bool> {
    source.axis_names().iter().map(|name| is_of_space(name)).collect()
}

/// The factors of each level, from the one before.
fn steps(source: &Array, options: &PyramidOptions<'_>) -> Result<Vec<Dims<u64>>> {
    let (space, ndim) = (is_space(source), source.ndim());
    let count = options.levels.unwrap_or(MOST).min(MOST);
    if let Some(given) = &options.factors {
        let whole = |factors: &Vec<u64>| -> Result<Dims<u64>> {
            let mut own = factors.iter().copied();
            let is_of_space = factors.len() == space.iter().filter(|&&is_space| is_space).count();
            let all: Dims<u64> = match factors.len() {
                all if all == ndim => own.collect(),
                _ if is_of_space => {
                    space.iter().map(|&is_space| if is_space { own.next().unwrap_or(1) } else { 1 }).collect()
                }
                _ => return Err(Error::invalid(format!("factors {factors:?} of {ndim} axes"))),
            };
            let is_good =
                all.iter().all(|&one| (1..=1 << 20).contains(&one)) && all.iter().any(|&one| one > 1);
            if !is_good {
                return Err(Error::invalid(format!("factors {factors:?}")));
            }
            match (0..ndim).find(|&axis| all[axis] > 1 && !space[axis]) {
                Some(axis) => {
                    let name = source.axis_names()[axis];
                    let reason = format!("the axis {name} is none of space; its factor is 1");
                    Err(Error::invalid(format!("factors {factors:?}: {reason}")))
                }
                None => Ok(all),
            }
        };
        let mut all = given.iter().map(whole).collect::<Result<Vec<_>>>()?;
        let Some(last) = all.last().cloned() else { return Err(Error::invalid("no factors")) };
        let wanted = options.levels.unwrap_or(all.len()).min(MOST);
        all.resize(wanted, last);
        return Ok(all);
    }
    let sizes = source.resolution().map_or_else(|| vec![1.0; ndim], |known| known.size.to_vec());
    let (mut sizes, mut shape) = (sizes, source.shape().to_vec());
    let chunk = source.chunk_shape();
    let mut found = Vec::new();
    while found.len() < count {
        let chunks = shape
            .iter()
            .zip(&chunk)
            .fold(1u64, |all, (length, chunk)| all.saturating_mul(length.div_ceil(*chunk)));
        if options.levels.is_none() && chunks <= FEW {
            break;
        }
        let may = |axis: usize| space[axis] && shape[axis] > 1;
        let finest =
            (0..ndim).filter(|&axis| may(axis)).map(|axis| sizes[axis]).fold(f64::INFINITY, f64::min);
        // Half of the way to its double, as ratios go.
        let doubles = |axis: usize| may(axis) && sizes[axis] < finest * std::f64::consts::SQRT_2;
        let step: Dims<u64> = (0..ndim).map(|axis| if doubles(axis) { 2 } else { 1 }).collect();
        if step.iter().all(|&one| one == 1) {
            break;
        }
        for axis in 0..ndim {
            sizes[axis] *= step[axis] as f64;
            shape[axis] = shape[axis].div_ceil(step[axis]);
        }
        found.push(step);
    }
    Ok(found)
}

impl Levels {
    /// The levels of `source`, a scale of a layer, which are not listed yet.
    ///
    /// # Errors
    /// `AlreadyExists` if the layer has coarser scales; those of making scales.
    pub(super) fn new(source: &Array, method: Downsampling, options: &PyramidOptions<'_>) -> Result<Self> {
        let relative = source.translate(&offset(source)?)?;
        let base = source.scale_spec()?;
        let mut factor: Dims<u64> = Dims::from_elem(1, source.ndim());
        let mut planned: Vec<Planned> = Vec::new();
        for (number, step) in steps(source, options)?.into_iter().enumerate() {
            for (all, one) in factor.iter_mut().zip(&step) {
                let many = || Error::invalid("factors of so many levels");
                *all = all.checked_mul(*one).filter(|all| *all <= MOST_FACTOR).ok_or_else(many)?;
            }
            let domain = domain_of(relative.domain(), &factor, method)?;
            if domain.is_empty() && options.levels.is_some() {
                let reason = format!(
                    "level {} has no elements: there is none at a multiple of {factor:?}",
                    number + 1
                );
                return Err(Error::invalid(reason).during("downsampling").at(source.url()));
            }
            if domain.is_empty() {
                break;
            }
            let spec = spec_of(source, &base, &domain, &factor, (method, options, number))?;
            planned.push((spec, domain, factor.clone(), step));
        }
        // An earlier run may have listed some.
        let is_begun = match options.work {
            Work::Share { .. } | Work::List(_) => true,
            Work::All | Work::Plan(_) => options.journal.is_some_and(Journal::has_begun),
        };
        let coarser = &source.scales()[(source.scale() + 1).min(source.scales().len())..];
        let is_so = |known: &Scale, domain: &Domain| known.domain.shape() == domain.shape();
        let are_so = coarser.iter().zip(&planned).all(|(known, planned)| is_so(known, &planned.1));
        let are_listed = !is_begun && !coarser.is_empty();
        let may_be_made = options.journal.is_some() && coarser.len() == planned.len() && are_so;
        if are_listed && !may_be_made || is_begun && !(coarser.len() <= planned.len() && are_so) {
            return Err(there_are_scales(source));
        }
        let listed = (0..coarser.len()).map(|number| source.open_scale(source.scale() + 1 + number));
        let mut arrays = listed.collect::<Result<Vec<_>>>()?;
        arrays.extend(source.draft_scales(planned[coarser.len()..].iter().map(|one| &one.0), is_begun)?);
        let one = |(number, (array, (mut spec, domain, factor, step))): (usize, (Array, Planned))| {
            // It is listed under the name that was free for its chunks.
            spec.storage.key = array.scales().get(array.scale()).map(|scale| scale.key.clone());
            let asked = asked(&spec);
            let spec = (number >= coarser.len()).then_some(spec);
            Ok(Level { asked, ..Level::new(array, spec, &domain, (&factor, step))? })
        };
        let levels = arrays.into_iter().zip(planned).enumerate().map(one).collect::<Result<_>>()?;
        Ok(Self { source: relative, levels, are_listed })
    }

    /// The levels of `source`, which are arrays of their own, by their factors from it: of chunks that begin where they do.
    ///
    /// # Errors
    /// Those of reading what chunks they have.
    pub(super) fn beside<'a>(
        source: &Array,
        targets: Vec<Array>,
        factors: impl Iterator<Item = &'a [u64]>,
    ) -> Result<Self> {
        let mut before: Dims<u64> = Dims::from_elem(1, source.ndim());
        let mut levels = Vec::new();
        for (array, factor) in targets.into_iter().zip(factors) {
            let factor: Dims<u64> = factor.iter().copied().collect();
            let step = factor.iter().zip(&before).map(|(all, before)| all / before).collect();
            let domain = array.domain().clone();
            levels.push(Level::new(array, None, &domain, (&factor, step))?);
            before = factor;
        }
        Ok(Self { source: source.clone(), levels, are_listed: false })
    }

    /// The levels that the layer has, of which a box is made anew.
    ///
    /// # Errors
    /// `InvalidArgument` if there are none, or one is not as it would be made.
    pub(super) fn listed(source: &Array, method: Downsampling, region: &Domain) -> Result<Self> {
        let offset = offset(source)?;
        let relative = source.translate(&offset)?;
        let (mut factor, mut levels): (Dims<u64>, _) = (Dims::from_elem(1, source.ndim()), Vec::new());
        for at in source.scale() + 1..source.scales().len() {
            let (own, fine) = (&source.scales()[at].resolution, &source.scales()[source.scale()].resolution);
            let ratio = |axis: usize| (own.size[axis] / fine.size[axis]).round().max(1.0) as u64;
            let all: Dims<u64> = (0..source.ndim()).map(ratio).collect();
            let domain = domain_of(relative.domain(), &all, method)?;
            let is_so = domain.shape() == source.scales()[at].domain.shape()
                && all.iter().zip(&factor).all(|(all, before)| all % before == 0);
            if !is_so {
                let key = &source.scales()[at].key;
                let reason = format!("the scale {key} is not one that is made of this by whole factors");
                return Err(Error::invalid(reason).during("downsampling").at(source.url()));
            }
            let step = all.iter().zip(&factor).map(|(all, before)| all / before).collect();
            levels.push(Level::new(source.open_scale(at)?, None, &domain, (&all, step))?);
            factor = all;
        }
        if levels.is_empty() {
            let reason = "there is no coarser scale of which a box could be made anew";
            return Err(Error::invalid(reason).during("downsampling").at(source.url()));
        }
        // Whole cells of the coarsest level.
        let region = region.translate(&offset)?.intersect(relative.domain());
        let coarsest = domain_of(&region, &factor, Downsampling::Mean)?;
        for level in &mut levels {
            let times = factor.iter().zip(&level.factor).map(|(all, own)| all / own);
            level.active = level.active.intersect(&made_of(&coarsest, times)?);
        }
        Ok(Self { source: relative, levels, are_listed: false })
    }

    /// Whether these are all chunks that the source can have.
    pub(super) fn are_all(&self, stored: &ChunkSet) -> bool {
        let along = self.source.chunk_shape().into_iter().zip(self.source.shape());
        let count = along.map(|(chunk, &length)| length.div_ceil(chunk.max(1)));
        stored.len() == count.fold(1, u64::saturating_mul)
    }

    /// Takes several chunks of each level for one, as long as what one of the first is made of, of elements and cells of so many bytes,
    /// takes no more than `most`: less of the source is then read again for the next, where cells lie across the ends of its chunks.
    pub(super) fn widen(&mut self, most: u64, item: u64, cell: u64) {
        let Some(first) = self.levels.first() else { return };
        let (mut chunks, mut times): (Dims<u64>, Dims<u64>) =
            (first.chunks.iter().map(|chunk| chunk.1).collect(), Dims::from_elem(1, first.chunks.len()));
        let cells = first.factor.iter().fold(item, |all, &factor| all.saturating_mul(factor));
        let each = cells.saturating_add(4 * (item + cell));
        for axis in (0..chunks.len()).cycle().take(16 * chunks.len()) {
            let all = chunks.iter().fold(each, |all, &chunk| all.saturating_mul(chunk));
            if all.saturating_mul(2) <= most && chunks[axis] < first.active.shape()[axis] {
                chunks[axis] *= 2;
                times[axis] *= 2;
            }
        }
        for level in &mut self.levels {
            level.chunks.iter_mut().zip(&times).for_each(|(chunk, times)| chunk.1 *= times);
        }
    }

    /// The most elements of the source that become one.
    pub(super) fn largest(&self) -> u64 {
        let of = |level: &Level| level.factor.iter().fold(1u64, |all, &one| all.saturating_mul(one));
        self.levels.iter().map(of).max().unwrap_or(1)
    }
}

impl Level {
    fn new(
        array: Array,
        spec: Option<CreateSpec>,
        domain: &Domain,
        (factor, step): (&Dims<u64>, Dims<u64>),
    ) -> Result<Self> {
        let array = array.translate_to(domain.origin())?;
        let chunks = array.chunk_grid()?;
        let active = array.domain().clone();
        Ok(Self { array, spec, factor: factor.clone(), step, active, chunks, asked: String::new() })
    }
}

/// The error of making scales where there are some.
pub(super) fn there_are_scales(source: &Array) -> Error {
    let known = source.scales().get(source.scale() + 1).map_or("", |scale| &*scale.key);
    let reason = format!("there is a coarser scale, {known}; remove it, or go on from the coarsest");
    Error::new(ErrorKind::AlreadyExists, reason).during("downsampling").at(source.url())
}

/// How a scale is asked to be stored; not how large shards are, which the budget has a say in.
fn asked(spec: &CreateSpec) -> String {
    let StorageSpec { chunk_shape, encoding, level, sharding, .. } = &spec.storage;
    format!("{chunk_shape:?} {encoding:?} {level:?} {}", *sharding != NewSharding::None)
}

/// What the scale of a level is made of.
fn spec_of(
    source: &Array,
    base: &CreateSpec,
    domain: &Domain,
    factor: &[u64],
    (method, options, number): (Downsampling, &PyramidOptions<'_>, usize),
) -> Result<CreateSpec> {
    let mut spec = base.clone();
    let is_zero = source.scales_begin_at_zero()?;
    spec.array.domain = if is_zero { domain.clone() } else { Domain::from_shape(domain.shape())? };
    spec.array.incomplete = false;
    if let Some(sizes) = &mut spec.array.resolution {
        let space: Vec<u64> = match sizes.len() == factor.len() {
            true => factor.to_vec(),
            false => is_space(source).iter().zip(factor).filter(|of| *of.0).map(|of| *of.1).collect(),
        };
        sizes.iter_mut().zip(space).for_each(|(size, factor)| *size *= factor as f64);
    }
    let names: Vec<String> = source.axis_names().iter().map(|name| (*name).to_owned()).collect();
    let first = base.array.place().unwrap_or_else(|| base.array.domain.clone());
    let mut origin = Vec::new();
    for (axis, name) in names.iter().enumerate() {
        let said = spec.array.axes.iter_mut().flatten().find(|said| said.name == *name);
        let factor = factor[axis] as f64;
        // The middle of the first cell, in elements of the level; that of the first element for strides.
        let shift = if method == Downsampling::Stride { 0.0 } else { (factor - 1.0) / 2.0 };
        let offset = said.as_ref().map_or(0.0, |said| said.offset);
        let place = (first.origin()[axis] as f64 + offset + shift) / factor;
        origin.push(place.floor() as i64);
        if let Some(said) = said {
            (said.scale, said.offset) = (said.scale * factor, place - place.floor());
        }
    }
    if spec.array.axes.is_some() && !is_zero {
        spec.array.domain = spec.array.domain.translate(&origin)?;
    }
    spec.storage.key = None;
    if spec.storage.sharding != NewSharding::None {
        // Parameters of shards are for the grid that they were chosen for.
        spec.storage.sharding = NewSharding::Auto;
    }
    if let Some(storage) = &options.storage {
        spec.storage = storage(number + 1, spec.storage);
    }
    if spec.storage.sharding == NewSharding::Auto {
        spec.storage.sharding = NewSharding::Within(options.unit_bytes() / SHARDS_OF_UNIT);
    }
    Ok(spec)
}
