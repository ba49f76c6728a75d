//! Layers: what is shown under one name, and how.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bigarrays::{Array, Error, Result};

use crate::affine::Affine;
use crate::axes::Axes;
use crate::coarser;
use crate::contrast::{self, Contrast};
use crate::convert::Shown;
use crate::kept::{Kept, Pyramid};
use crate::level::{Level, Making};
use crate::volume::Volume;

/// An array to be shown, under a name.
///
/// ```
/// use bigarrays::compute::Lazy;
/// use bigarrays::{DataType, Domain};
/// use bigarrays_serve::Layer;
///
/// let ids = Lazy::of_elements(&Domain::from_shape(&[2, 2])?, DataType::U32, &[0; 16])?;
/// let layer = Layer::new("cells", ids).labels(true);
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layer {
    name: String,
    volume: Volume,
    labels: Option<bool>,
    affine: Option<Affine>,
}

impl Layer {
    /// A layer of this name.
    pub fn new(name: impl Into<String>, volume: impl Into<Volume>) -> Self {
        Self { name: name.into(), volume: volume.into(), labels: None, affine: None }
    }

    /// Whether elements are labels rather than intensities; without, as metadata say.
    #[must_use]
    pub fn labels(mut self, labels: bool) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Where it lies, if not along the axes.
    #[must_use]
    pub fn affine(mut self, affine: Affine) -> Self {
        self.affine = Some(affine);
        self
    }
}

/// A layer as it is served.
#[derive(Debug)]
pub(crate) struct Served {
    /// Its name, without more.
    pub(crate) label: String,
    /// Its name, with what has to be said of it.
    pub(crate) name: String,
    pub(crate) labels: bool,
    pub(crate) shown: Shown,
    /// Where it lies, if not along the axes: of lengths.
    pub(crate) affine: Option<Affine>,
    /// Number of channels.
    pub(crate) channels: u64,
    /// The array itself, and coarser ones of it.
    pub(crate) levels: Vec<Level>,
    /// What becomes black and white of each channel.
    pub(crate) contrast: Vec<Contrast>,
    /// Bytes that are read to compute one tile, and how many that may be: more once somebody who looks at it says so.
    pub(crate) cost: u64,
    limit: AtomicU64,
    /// Levels that are kept, where they are to be.
    pub(crate) kept: Option<Arc<Kept>>,
}

impl Served {
    /// Looks at a sample of the elements. Levels have all elements that can be kept of them if the layer `keeps` any.
    ///
    /// # Errors
    /// `Unsupported` if elements are no numbers; `InvalidArgument` for an empty array, or one without axes; those of reading.
    pub(crate) fn new(layer: &Layer, tile_bytes: u64, keeps: bool) -> Result<Self> {
        let volume = &layer.volume;
        let showing = |error: Error| error.during("showing").at(layer.name.clone());
        let (domain, dtype) = (volume.domain(), volume.dtype());
        if domain.ndim() == 0 || domain.is_empty() {
            return Err(showing(Error::invalid(format!("there are no elements in {domain}"))));
        }
        let labels = layer.labels.or_else(|| volume.labels()).unwrap_or(false);
        if labels && dtype.is_float() {
            return Err(showing(Error::invalid(format!("labels are whole numbers, and these are {dtype}"))));
        }
        let axes = Axes::of(&volume.names(), domain.shape(), volume.order());
        let mut levels = levels(volume, &axes).map_err(showing)?;
        let cost = planned(&levels[0]).map_err(showing)?;
        let channels = axes.channel.map_or(1, |axis| domain.shape()[axis]);
        let refused = || showing(Error::unsupported(format!("{dtype} elements are no numbers to show")));
        Shown::of(dtype, labels, false).ok_or_else(refused)?;
        // Nobody has asked for what takes so much yet.
        let contrast = match cost > tile_bytes {
            true => contrast::unknown(dtype, channels),
            false => contrast::of(&levels, channels).map_err(showing)?,
        };
        let lengths = lengths(volume, &axes);
        let made = levels.last().map(|last| coarser::levels(last, lengths, keeps)).unwrap_or_default();
        for level in made {
            // From farther away it is more.
            if planned(&level).map_err(showing)? > tile_bytes {
                break;
            }
            levels.push(level);
        }
        let wide = contrast.iter().any(|contrast| contrast.is_wide());
        let shown = Shown::of(dtype, labels, wide).ok_or_else(refused)?;
        let (label, name) = (layer.name.clone(), layer.name.clone());
        let limit = AtomicU64::new(tile_bytes);
        Ok(Self {
            label,
            name,
            labels,
            shown,
            affine: layer.affine,
            channels,
            levels,
            contrast,
            cost,
            limit,
            kept: None,
        })
    }

    /// What takes its coordinates to where they are shown, if that is not along the axes.
    pub(crate) fn placed(&self, (lengths, offsets): ([f64; 3], [f64; 3])) -> Option<Affine> {
        self.affine.map(|affine| affine.of_elements(lengths, offsets))
    }

    /// How many bytes may be read to compute one tile.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Lets so many bytes be read, if that is more than before.
    pub(crate) fn allow(&self, bytes: u64) {
        self.limit.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Says in the name what has to be said of the layer.
    pub(crate) fn mark(&mut self) {
        let is_kept = self.kept.as_ref().is_some_and(|kept| kept.state() == Pyramid::Ready);
        let is_sampled = self.levels.iter().any(|level| matches!(level.making, Making::Sampled(_)));
        let sampled = (is_sampled && !is_kept).then_some("sampled from afar");
        let marks: Vec<&str> = self.shown.mark().into_iter().chain(sampled).collect();
        if !marks.is_empty() {
            self.name = format!("{} ({})", self.label, marks.join(", "));
        }
    }

    /// The array itself.
    pub(crate) fn base(&self) -> &Volume {
        &self.levels[0].volume
    }

    pub(crate) fn axes(&self) -> &Axes {
        &self.levels[0].axes
    }
}

/// The array itself, and its coarser scales that are stored.
fn levels(volume: &Volume, axes: &Axes) -> Result<Vec<Level>> {
    let mut levels = vec![Level::stored(volume.clone(), axes, [1.0; 3])];
    if let Volume::Stored(array) = volume {
        for (array, ratio) in stored_coarser(array)? {
            let size = axes.shown.map(|axis| axis.map_or(1.0, |axis| ratio[axis]));
            levels.push(Level::stored(array.into(), axes, size));
        }
    }
    Ok(levels)
}

/// Bytes that are read to compute the tile in the middle of a level.
fn planned(level: &Level) -> Result<u64> {
    if matches!(level.volume, Volume::Stored(_)) {
        return Ok(0);
    }
    let origin = level.volume.domain().origin();
    let at: Vec<i64> = level.axes.others.iter().map(|&axis| origin[axis]).collect();
    coarser::planned_bytes(level, &level.seen(&at)?, &level.middle())
}

/// How long elements are along the axes that are shown, if that is known of all in one unit.
fn lengths(volume: &Volume, axes: &Axes) -> [f64; 3] {
    let positions = volume.positions();
    let known = axes.shown.map(|axis| axis.map(|axis| positions[axis].as_ref()));
    let units: Vec<_> = known.iter().flatten().map(|one| one.and_then(|one| one.unit.as_ref())).collect();
    if units.windows(2).any(|two| two[0] != two[1]) || units.contains(&None) {
        return [1.0; 3];
    }
    known.map(|one| one.flatten().map_or(1.0, |one| if one.step > 0.0 { one.step } else { 1.0 }))
}

/// The coarser scales of the layer that an array is the whole of a scale of, and the sizes of their elements in those of the array.
fn stored_coarser(array: &Array) -> Result<Vec<(Array, Vec<f64>)>> {
    let own = array.scale();
    let Some(fine) = array.scales().get(own) else { return Ok(Vec::new()) };
    let is_whole = array.open_scale(own)?.transform() == array.transform();
    let mut found = Vec::new();
    for scale in (own + 1..array.scales().len()).filter(|_| is_whole) {
        let coarse = array.open_scale(scale)?;
        let sizes = array.scales()[scale].resolution.size.iter().zip(&fine.resolution.size);
        let ratio: Vec<f64> = sizes.map(|(coarse, fine)| coarse / fine).collect();
        let is_usable = coarse.ndim() == array.ndim()
            && coarse.dtype() == array.dtype()
            && ratio.len() == array.ndim()
            && ratio.iter().all(|ratio| ratio.is_finite() && *ratio >= 1.0);
        if is_usable && !coarse.domain().is_empty() {
            found.push((coarse, ratio));
        }
    }
    Ok(found)
}
