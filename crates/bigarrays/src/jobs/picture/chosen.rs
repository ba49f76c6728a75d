//! Which scale a picture is drawn from, and its elements.

use crate::base::dims::Dims;
use crate::base::error::{Error, ErrorKind, Result};
use crate::jobs::picture::levels;
use crate::jobs::picture::options::Projection;
use crate::jobs::picture::sampling::{Layer, Side};
use crate::jobs::picture::shown::Shown;
use crate::run::interrupt::check_interrupt;

/// Bytes of elements that are read at once for a projection.
const SLAB: usize = 64 << 20;

/// A scale, and which of its elements are taken.
pub(super) struct Chosen {
    layer: Layer,
    sides: [Side; 2],
}

impl Chosen {
    /// The coarsest scale that has an element for each pixel and is not too much to read; where each is too much, of the
    /// coarsest as many elements as are not. `limit` has the most bytes, and words for whose elements they are.
    pub(super) fn new(
        finest: Layer,
        shown: &Shown,
        size: [usize; 2],
        (limit, of): (u64, &str),
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        if let Some(axis) = shown.axes.iter().find(|axis| !finest.has(**axis)) {
            let name = &finest.array.axis_names().join(",");
            let reason = format!("labels with the axes {name} over a plane along axis {axis}");
            return Err(Error::invalid(reason).at(finest.array.url()));
        }
        let mut sides = [0, 1].map(|side| {
            let (range, length) = (shown.part.range(shown.axes[side]), shown.part.shape()[shown.axes[side]]);
            Side::new(range.start, length, size[side])
        });
        let planes = shown.planes.as_ref().map_or(Vec::new(), |(_, all)| all.clone());
        let cost = |layer: &Layer, sides: [Side; 2]| layer.cost(&layer.coordinates(shown, sides, &planes));
        let own = cost(&finest, sides)?;
        let mut layers = finest.coarser()?;
        layers.insert(0, finest);
        let enough = layers.iter().rposition(|layer| suffices(layer, shown, &sides)).unwrap_or(0);
        let (mut at, mut needs) = (enough, cost(&layers[enough], sides)?);
        while needs > limit && at + 1 < layers.len() {
            at += 1;
            needs = cost(&layers[at], sides)?;
        }
        while needs > limit && sides.iter().any(|side| side.count > 1) {
            sides = sides.map(|side| Side { count: side.count.div_ceil(2), ..side });
            needs = cost(&layers[at], sides)?;
        }
        let layer = layers.swap_remove(at);
        if needs > limit {
            let reason = format!("a picture takes {needs} bytes of elements{of}, the limit is {limit}");
            return Err(Error::new(ErrorKind::MemoryBudget, reason).during("drawing").at(layer.array.url()));
        }
        if at > 0 {
            let key = layer.array.scales().get(layer.array.scale()).map_or("", |scale| &scale.key);
            let why =
                format!(", coarser than the pixels: the finest takes {own} bytes, the limit is {limit}");
            notes.push(format!("drawn from the scale {key}{of}{}", if at > enough { &why } else { "" }));
        }
        if sides.iter().any(|side| side.count < side.pixels) {
            let taken = sides.map(|side| side.count.to_string()).join(" × ");
            let all = sides.map(|side| side.pixels.to_string()).join(" × ");
            notes.push(format!(
                "drawn from {taken} elements{of} instead of {all}: these take {own} bytes, the limit is {limit}"
            ));
        }
        Ok(Self { layer, sides })
    }

    fn pixels(&self) -> usize {
        self.sides[0].pixels * self.sides[1].pixels
    }

    /// The elements of a plane, or what a projection makes of several, channel by channel; not a number where there is none.
    pub(super) fn elements(
        &self,
        shown: &Shown,
        planes: &[i64],
        projection: Option<Projection>,
    ) -> Result<Vec<f64>> {
        let Some(projection) = projection.filter(|_| planes.len() > 1) else {
            return self.read(shown, planes);
        };
        let channels = shown.channels.as_ref().map_or(1, |(_, all)| all.len());
        let plane = self.pixels() * channels;
        let at_once = (SLAB / plane.saturating_mul(8)).max(1);
        let mut folded = vec![if projection == Projection::Max { f64::NAN } else { 0.0 }; plane];
        let mut counts = vec![0u32; if projection == Projection::Mean { plane } else { 0 }];
        for slab in planes.chunks(at_once) {
            check_interrupt()?;
            for one in self.read(shown, slab)?.chunks_exact(plane) {
                match projection {
                    // Of a number and what is none, the number is the larger.
                    Projection::Max => folded.iter_mut().zip(one).for_each(|(all, one)| *all = all.max(*one)),
                    Projection::Mean => {
                        for ((all, count), one) in
                            folded.iter_mut().zip(&mut counts).zip(one).filter(|(_, one)| !one.is_nan())
                        {
                            *all += one;
                            *count += 1;
                        }
                    }
                }
            }
        }
        // Of none, the mean is not a number.
        folded.iter_mut().zip(&counts).for_each(|(all, &count)| *all /= f64::from(count));
        Ok(folded)
    }

    /// The elements of planes, one after the other.
    fn read(&self, shown: &Shown, planes: &[i64]) -> Result<Vec<f64>> {
        let layer = &self.layer;
        let coordinates = layer.coordinates(shown, self.sides, planes);
        let (layout, bytes) = (layer.array.layout(), layer.read(shown, &coordinates)?);
        let missing = layout.fill_is_missing.then(|| layout.fill.as_bytes());
        let mut numbers = levels::numbers(layout.dtype, &bytes, missing);
        self.each_outside(shown, &coordinates, |at| {
            numbers.iter_mut().skip(at).step_by(self.pixels()).for_each(|number| *number = f64::NAN);
        });
        Ok(numbers)
    }

    /// The pixels that lie outside of the domain.
    fn each_outside(&self, shown: &Shown, coordinates: &Dims<Vec<i64>>, mut each: impl FnMut(usize)) {
        let [down, right] = self.layer.inside(shown, coordinates);
        if down.contains(&false) || right.contains(&false) {
            let all = down.iter().flat_map(|down| right.iter().map(move |right| *down && *right));
            all.enumerate().filter(|(_, is_inside)| !is_inside).for_each(|(at, _)| each(at));
        }
    }

    /// The labels of a plane; of several, as for a projection, of the first.
    pub(super) fn labels(&self, shown: &Shown, planes: &[i64]) -> Result<Vec<u64>> {
        let layer = &self.layer;
        let dtype = layer.array.dtype();
        if dtype.is_float() {
            let reason = format!("labels are whole numbers, and these are {dtype}");
            return Err(Error::unsupported(reason).at(layer.array.url()));
        }
        let (first, shown) = (&planes[..planes.len().min(1)], &Shown { channels: None, ..shown.clone() });
        let coordinates = layer.coordinates(shown, self.sides, first);
        let mut labels = levels::labels(dtype, &layer.read(shown, &coordinates)?);
        self.each_outside(shown, &coordinates, |at| labels[at] = 0);
        Ok(labels)
    }
}

/// Whether a scale has an element for each pixel.
fn suffices(layer: &Layer, shown: &Shown, sides: &[Side; 2]) -> bool {
    let enough = |(side, &axis): (&Side, &usize)| {
        layer.factor(axis) * side.pixels as f64 <= side.length as f64 * (1.0 + 1e-9)
    };
    sides.iter().zip(&shown.axes).all(enough)
}
