//! Which axes go where in a picture, and which planes it has.

use std::ops::Range;

use crate::array::Array;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::is_of_space;
use crate::jobs::picture::color::Color;
use crate::jobs::picture::options::{PictureOptions, Planes};

/// The most planes side by side.
const MOST_PLANES: u64 = 400;

/// The most planes of a projection.
const MOST_PROJECTED: u64 = 1 << 20;

/// What is shown of an array.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The box.
    pub(super) part: Domain,
    /// The axis that goes down, and that which goes to the right.
    pub(super) axes: [usize; 2],
    /// The axis of channels that are shown together, and their coordinates.
    pub(super) channels: Option<(usize, Vec<i64>)>,
    /// The axis along which several planes are shown, and their coordinates.
    pub(super) planes: Option<(usize, Vec<i64>)>,
    /// The coordinate along each axis that is none of these.
    pub(super) fixed: Dims<i64>,
}

/// Whether an axis is one of channels.
fn is_of_channels(name: &str) -> bool {
    matches!(&*name.to_ascii_lowercase(), "c" | "channel" | "channels" | "band")
}

/// Whether planes along an axis are asked for.
fn is_given(options: &PictureOptions<'_>, axis: usize) -> bool {
    options.at.iter().any(|(given, _)| *given == axis)
}

impl Shown {
    pub(super) fn new(array: &Array, options: &PictureOptions<'_>, is_labels: bool) -> Result<Self> {
        let part = options.part.clone().unwrap_or_else(|| array.domain().clone());
        part.expect_ndim(array.ndim())?;
        if part.is_empty() {
            return Err(Error::invalid(format!("a picture of the box {part}, which has no elements")));
        }
        let mut shown = Self {
            axes: axes(array, &part, options)?,
            channels: None,
            planes: None,
            fixed: part.origin().into(),
            part,
        };
        for &(axis, planes) in &options.at {
            shown.fix(array, axis, planes, is_labels)?;
        }
        if !is_labels {
            shown.take_channels(array, options);
        }
        if options.projection.is_some() && shown.planes.is_none() {
            let all = Planes::Range { start: None, stop: None, step: 1 };
            shown.fix(array, shown.line_of_sight(array, options)?, all, is_labels)?;
        }
        shown.expect_few(options)?;
        Ok(shown)
    }

    /// Draws several channels together, if they are few or have colours.
    fn take_channels(&mut self, array: &Array, options: &PictureOptions<'_>) {
        let names = array.axis_names();
        let found =
            self.rest(array.ndim()).find(|&axis| is_of_channels(names[axis]) && !is_given(options, axis));
        let Some(axis) = found else { return };
        let most = options.colors.as_ref().map_or(Color::RGB.len(), Vec::len);
        if options.colors.is_some() || self.part.shape()[axis] <= most as u64 {
            self.channels = Some((axis, self.part.range(axis).take(most).collect()));
        }
    }

    /// The one axis along which a projection can go.
    fn line_of_sight(&self, array: &Array, options: &PictureOptions<'_>) -> Result<usize> {
        let is_long = |axis: &usize| !is_given(options, *axis) && self.part.shape()[*axis] > 1;
        let long: Vec<usize> = self.rest(array.ndim()).filter(is_long).collect();
        match long[..] {
            [axis] => Ok(axis),
            _ => Err(Error::invalid(
                "a projection goes along one axis: name it with a range of coordinates, such as z=0:100",
            )),
        }
    }

    /// The axes that are neither drawn nor channels.
    fn rest(&self, ndim: usize) -> impl Iterator<Item = usize> + '_ {
        let is_channels = |axis: usize| self.channels.as_ref().is_some_and(|(channels, _)| *channels == axis);
        (0..ndim).filter(move |&axis| !self.axes.contains(&axis) && !is_channels(axis))
    }

    /// Has planes that nobody asks for lie in the middle of the box.
    pub(super) fn go_to_the_middle(&mut self, options: &PictureOptions<'_>) {
        for axis in (0..self.part.ndim()).filter(|&axis| !is_given(options, axis)) {
            let range = self.part.range(axis);
            self.fixed[axis] = range.start.saturating_add_unsigned(self.part.shape()[axis] / 2);
        }
    }

    /// Shows these planes along an axis.
    fn fix(&mut self, array: &Array, axis: usize, planes: Planes, is_labels: bool) -> Result<()> {
        let name = array.axis_names()[axis];
        let domain = array.domain().range(axis);
        match planes {
            Planes::At(at) if domain.contains(&at) => self.fixed[axis] = at,
            Planes::At(at) => {
                let reason = format!("{name}={at} lies outside of {}:{}", domain.start, domain.end);
                return Err(Error::new(ErrorKind::OutOfBounds, reason).during("drawing").at(array.url()));
            }
            Planes::Range { start, stop, step } => {
                let own = self.part.range(axis);
                let range =
                    start.unwrap_or(own.start).max(domain.start)..stop.unwrap_or(own.end).min(domain.end);
                let all: Vec<i64> = coordinates(&range, step)?;
                let (Some(&first), several) = (all.first(), all.len() > 1) else {
                    let reason = format!("{name}: no plane of {}:{} is asked for", domain.start, domain.end);
                    return Err(Error::new(ErrorKind::OutOfBounds, reason).during("drawing").at(array.url()));
                };
                self.fixed[axis] = first;
                if is_of_channels(name) && !is_labels && several {
                    self.channels = Some((axis, all));
                } else if let Some((other, _)) = self.planes.replace((axis, all)) {
                    let other = array.axis_names()[other];
                    return Err(Error::invalid(format!(
                        "several planes along {other} and along {name}; name one"
                    )));
                }
            }
        }
        Ok(())
    }

    fn expect_few(&self, options: &PictureOptions<'_>) -> Result<()> {
        let count = self.planes.as_ref().map_or(1, |(_, all)| all.len() as u64);
        if count > MOST_PLANES && options.projection.is_none() {
            let reason =
                format!("{count} planes side by side, more than {MOST_PLANES}: take a step, or a projection");
            return Err(Error::invalid(reason));
        }
        Ok(())
    }
}

/// The coordinates of a range, `step` apart.
fn coordinates(range: &Range<i64>, step: u64) -> Result<Vec<i64>> {
    let length = if range.start < range.end { range.start.abs_diff(range.end) } else { 0 };
    let count = length.div_ceil(step.max(1));
    if count > MOST_PROJECTED {
        return Err(Error::invalid(format!("{count} planes, more than {MOST_PROJECTED}: take a step")));
    }
    Ok(range.clone().step_by(usize::try_from(step.max(1)).unwrap_or(usize::MAX)).collect())
}

/// The axis that goes down, and that which goes to the right: as asked for, or of those that are not fixed the first two of x, y
/// and z, or, where axes have other names, the two along which elements lie nearest to each other; long ones before those of one
/// element, those of space before others.
fn axes(array: &Array, part: &Domain, options: &PictureOptions<'_>) -> Result<[usize; 2]> {
    let ndim = array.ndim();
    let is_given = |axis: usize| is_given(options, axis);
    if let Some(&(axis, _)) = options.at.iter().find(|(axis, _)| *axis >= ndim) {
        return Err(Error::invalid(format!("axis {axis} of an array of {ndim} axes")));
    }
    if let Some([down, right]) = options.axes {
        if down == right || down >= ndim || right >= ndim || is_given(down) || is_given(right) {
            let reason = format!("the axes {down} and {right} of {ndim}: two that are not fixed are drawn");
            return Err(Error::invalid(reason));
        }
        return Ok([down, right]);
    }
    let names = array.axis_names();
    let mut free: Vec<usize> = (0..ndim).filter(|&axis| !is_given(axis)).collect();
    let letter = |axis: usize| ["x", "y", "z"].iter().position(|letter| *letter == names[axis]);
    let is_lettered = free.iter().all(|&axis| letter(axis).is_some() || !is_of_space(names[axis]));
    if array.order() == Order::C {
        free.reverse();
    }
    free.sort_by_key(|&axis| (!is_of_space(names[axis]), letter(axis).filter(|_| is_lettered)));
    // Which of two goes to the right does not depend on how long they are.
    let (long, short): (Vec<_>, Vec<_>) = free.iter().partition(|&&axis| part.shape()[axis] > 1);
    let mut drawn: Vec<usize> = long.into_iter().chain(short).take(2).collect();
    drawn.sort_by_key(|axis| free.iter().position(|one| one == axis));
    match drawn[..] {
        [right, down] => Ok([down, right]),
        _ => Err(Error::invalid(format!("a picture has two axes; of {ndim}, {} are not fixed", free.len()))),
    }
}
