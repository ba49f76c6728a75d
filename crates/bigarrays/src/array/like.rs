//! What an array like a view would be made of.

use crate::array::{Array, AxisMap};
use crate::format::{self, ArraySpec, AxisSpec, CreateSpec, StorageSpec};

/// A visible axis: the stored axis behind it, the stored coordinate of its coordinate zero, and its step.
type Visible = (usize, i64, i64);

impl Array {
    /// What an empty array like this view would be made of, where the stored array is made of `stored`, as
    /// [`OpenOptions::like`](crate::OpenOptions::like) says it: the box of the view, its axes with their names, sizes,
    /// chunks, places and channels.
    ///
    /// ```
    /// use bigarrays::{CreateSpec, DataType, Index, OpenOptions};
    ///
    /// let mut spec = CreateSpec::new(DataType::U8, "0:4,0:5,0:6".parse()?);
    /// spec.array.resolution = Some(vec![40.0, 8.0, 4.0]);
    /// let options = OpenOptions::new().format("zarr3");
    /// let every_second = Index::Slice { start: None, stop: None, step: 2 };
    /// let view = options.create("memory://like", &spec)?.permute(&[2, 1, 0])?;
    /// let view = view.slice(&[every_second, Index::ALL, Index::ALL])?;
    /// let like = view.like(options.like("memory://like")?);
    /// assert_eq!(like.array.domain.shape(), [3, 5, 4]);
    /// assert_eq!(like.array.resolution, Some(vec![8.0, 8.0, 40.0]));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    #[must_use]
    pub fn like(&self, stored: CreateSpec) -> CreateSpec {
        let CreateSpec { mut array, storage } = stored;
        self.take_channels(&mut array);
        let visible: Vec<Visible> = self.visible().collect();
        let of_each = |values: Option<Vec<u64>>| values.and_then(|values| along(&values, &visible));
        let block = storage.block_shape.and_then(|block| along(&block, &visible[..3.min(visible.len())]));
        let storage = StorageSpec {
            block_shape: block.and_then(|block| block.try_into().ok()),
            chunk_shape: of_each(storage.chunk_shape),
            shard_shape: of_each(storage.shard_shape),
            ..storage
        };
        let is_in_order = visible.iter().map(|&(axis, ..)| axis).eq(0..self.transform().axes.len());
        let storage = if is_in_order { storage } else { storage.for_permuted_axes(array.dtype) };
        let axes = array.axes.take().map(|axes| axes_of(&array, axes, &visible));
        let names = array.dimension_names.take();
        let sizes = array.resolution.take().and_then(|sizes| along(&sizes, &visible));
        let stepped = |sizes: Vec<f64>| {
            let steps = visible.iter().map(|&(.., step)| step.unsigned_abs() as f64);
            sizes.into_iter().zip(steps).map(|(size, step)| size * step).collect()
        };
        let array = ArraySpec {
            domain: self.domain().clone(),
            origin: array.origin.take().and_then(|origin| origin_of(&origin, &visible)),
            dimension_names: names.and_then(|names| along(&names, &visible)),
            axes,
            unit: array.unit.take().filter(|_| sizes.is_some()),
            resolution: sizes.map(stepped),
            ..array
        };
        CreateSpec { array, storage }
    }

    /// Keeps of what is said of each channel what is of those that this view shows.
    fn take_channels(&self, array: &mut ArraySpec) {
        let is_channel = |at: usize| {
            let name = array.dimension_names.as_ref().and_then(|names| names.get(at)?.as_deref());
            let said = array.axes.iter().flatten().find(|axis| name == Some(axis.name.as_str()));
            name == Some("c") || said.is_some_and(|axis| axis.kind.as_deref() == Some("channel"))
        };
        let stored = self.layout().domain();
        let Some(at) = (0..stored.ndim()).find(|&at| is_channel(at)) else { return };
        let map = self.transform().axes[at];
        let is_shown = |channel: i64| match map {
            AxisMap::Fixed(at) => channel == at,
            AxisMap::Along { axis, offset, step } => {
                let place = channel.checked_sub(offset).filter(|place| place % step == 0);
                place.is_some_and(|place| self.domain().range(axis).contains(&(place / step)))
            }
        };
        let is_reversed = matches!(map, AxisMap::Along { step, .. } if step < 0);
        format::take_channels(array, stored.range(at), is_shown, is_reversed);
    }
}

/// Of `values` of the stored axes those of the `visible` ones; `None` if these are not of all axes.
fn along<T: Clone>(values: &[T], visible: &[Visible]) -> Option<Vec<T>> {
    visible.iter().map(|&(axis, ..)| values.get(axis).cloned()).collect()
}

/// Where coordinate zero of the visible axes lies in what the stored array is a copy of: a slice divides places by its
/// step, as it divides coordinates.
fn origin_of(origin: &[i64], visible: &[Visible]) -> Option<Vec<i64>> {
    let one = |&(axis, offset, step): &Visible| {
        let place = origin.get(axis)?.checked_add(offset.checked_rem_euclid(step)?)?;
        let forwards = if step > 0 { Some(place) } else { place.checked_neg() };
        Some(forwards?.div_euclid(step.abs()))
    };
    visible.iter().map(one).collect()
}

/// What images say of the visible axes, of all axes of `array`: between the elements of the view are those of a step.
fn axes_of(array: &ArraySpec, axes: Vec<AxisSpec>, visible: &[Visible]) -> Vec<AxisSpec> {
    let names = array.dimension_names.as_deref().unwrap_or_default();
    let one = |&(axis, offset, step): &Visible| {
        let name = names.get(axis)?.as_deref()?;
        let said = axes.iter().find(|said| said.name == name)?;
        let by = step.unsigned_abs() as f64;
        let between = offset.checked_rem_euclid(step)? as f64;
        Some(AxisSpec {
            scale: said.scale * by,
            offset: (between + said.offset) / step as f64,
            ..said.clone()
        })
    };
    visible.iter().filter_map(one).collect()
}
