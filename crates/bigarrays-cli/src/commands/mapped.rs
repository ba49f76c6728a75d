//! Arrays seen with the axes of others: files have their axes in any order, layers x, y, z and maybe channels.

use bigarrays::{Array, Domain, Error, Index, Result};

use crate::args::Axes;
use crate::output::counted;

/// The axes of a precomputed layer, in its order.
const LAYER: [&str; 4] = ["x", "y", "z", "c"];

/// The view of `array` whose axes are `wanted`, in that order. Axes that are left out must have one
/// element.
///
/// # Errors
/// `InvalidArgument` naming the axis that is not there or that is left out.
pub(crate) fn arrange(array: &Array, axes: &Axes, wanted: &Axes) -> Result<Array> {
    if let Some(absent) = wanted.0.iter().find(|axis| axes.position(axis).is_none()) {
        return Err(Error::invalid(format!("there is no axis {absent}; there are {axes}")).at(array.url()));
    }
    let mut kept = Vec::new();
    let mut indices = Vec::new();
    for (at, axis) in axes.0.iter().enumerate() {
        let (length, first) = (array.shape()[at], array.domain().origin()[at]);
        if wanted.0.contains(axis) {
            kept.push(axis);
            indices.push(Index::ALL);
        } else if length == 1 {
            indices.push(Index::At(first));
        } else {
            let reason = format!("axis {axis} has {length} elements and cannot be left out of {wanted}");
            return Err(Error::invalid(reason).at(array.url()));
        }
    }
    let order: Vec<usize> =
        wanted.0.iter().filter_map(|axis| kept.iter().position(|kept| *kept == axis)).collect();
    array.slice(&indices)?.permute(&order)
}

/// A source seen with the axes of a target.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// The source, with those axes of the target that it has, in its order.
    pub(crate) view: Array,
    /// The axes of the view.
    pub(crate) axes: Axes,
}

impl Mapped {
    /// The `source`, whose axes are `axes`, with the axes `wanted`.
    ///
    /// # Errors
    /// `InvalidArgument` if it has no such axis, or one of more than one element beside them.
    pub(crate) fn to(source: &Array, axes: &Axes, wanted: Axes) -> Result<Self> {
        expect_named(source, axes)?;
        Ok(Self { view: arrange(source, axes, &wanted)?, axes: wanted })
    }

    /// The `source`, whose axes are `axes`, with those of a precomputed layer.
    ///
    /// # Errors
    /// `InvalidArgument` if it has an axis of more than one element that layers do not have.
    pub(crate) fn to_layer(source: &Array, axes: &Axes) -> Result<Self> {
        expect_named(source, axes)?;
        let is_real = |name: &&str| match axes.position(name) {
            Some(at) => *name != "c" || source.shape()[at] > 1,
            None => false,
        };
        let wanted = Axes(LAYER.into_iter().filter(is_real).map(str::to_owned).collect());
        let odd =
            (0..source.ndim()).find(|&at| !LAYER.contains(&axes.0[at].as_str()) && source.shape()[at] != 1);
        if let Some(at) = odd {
            let reason = format!(
                "axis {} of {axes} has {} elements, and layers have only x, y, z and c; \
                 if it is one of these, say so with --dimension-names, as in --dimension-names czyx",
                axes.0[at],
                source.shape()[at]
            );
            return Err(Error::invalid(reason).during("mapping the axes of").at(source.url()));
        }
        Self::to(source, axes, wanted)
    }

    /// The `source`, whose axes are `axes`, with those of `target`: by their names, or if these say
    /// nothing, by their places.
    ///
    /// # Errors
    /// `InvalidArgument` if an axis of more than one element has no counterpart.
    pub(crate) fn to_those_of(target: &Array, source: &Array, axes: &Axes) -> Result<Self> {
        let own = Axes::of(target);
        let is_alien = (0..source.ndim()).any(|at| {
            source.shape()[at] != 1 && axes.0.get(at).is_some_and(|name| own.position(name).is_none())
        });
        if is_alien && source.ndim() == target.ndim() && axes.0.len() == source.ndim() {
            return Ok(Self { view: source.clone(), axes: own });
        }
        let has = |name: &String| axes.position(name).is_some();
        Self::to(source, axes, Axes(own.0.into_iter().filter(has).collect()))
    }

    /// The axes that a precomputed layer of these elements has.
    pub(crate) fn layer_axes(&self) -> Axes {
        Axes::letters(if self.axes.position("c").is_some() { "xyzc" } else { "xyz" })
    }

    /// Of `values` along the axes of the view, those along `axes`; `missing` where it has none.
    pub(crate) fn along<T: Clone>(&self, values: &[T], axes: &Axes, missing: &T) -> Vec<T> {
        let one = |name: &String| self.axes.position(name).and_then(|at| values.get(at));
        axes.0.iter().map(|name| one(name).unwrap_or(missing).clone()).collect()
    }

    /// Size of an element along each axis of the view in nanometres, where known.
    pub(crate) fn nanometres(&self) -> Option<Vec<f64>> {
        // Axes that are not of space have no such size.
        self.view.resolution()?.nanometres(|at| !matches!(self.axes.0[at].as_str(), "c" | "t"))
    }

    /// The view of `target` that has the axes of this one, to be written to.
    pub(crate) fn place_in(&self, target: &Array) -> Result<Array> {
        let own = Axes::of(target);
        if own.0.len() == self.axes.0.len() {
            // Made for these axes, or these are in its order, whether or not it has names for them.
            return Ok(target.clone());
        }
        arrange(target, &own, &self.axes)
    }
}

/// An error unless `axes` are as many as `source` has.
fn expect_named(source: &Array, axes: &Axes) -> Result<()> {
    if axes.0.len() == source.ndim() {
        return Ok(());
    }
    let reason = format!(
        "--dimension-names {}: {} for {}",
        axes.option(),
        counted(axes.0.len(), "name"),
        if source.ndim() == 1 { "1 axis".to_owned() } else { format!("{} axes", source.ndim()) }
    );
    Err(Error::invalid(reason))
}

/// The box `part`, with all channels if it says nothing of them.
pub(crate) fn whole_channels(part: &Domain, array: &Array) -> Result<Domain> {
    let mut ranges: Vec<_> = part.ranges().collect();
    let is_short = part.ndim() == 3 && Axes::of(array).0 == ["x", "y", "z", "c"];
    ranges.extend(is_short.then(|| array.domain().range(3)));
    Domain::from_ranges(&ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::axes::parse;
    use bigarrays::{CreateSpec, DataType, OpenOptions};

    fn layer(name: &str, domain: &str) -> Array {
        let spec = CreateSpec::new(DataType::U8, domain.parse().unwrap());
        OpenOptions::new().create(&format!("memory://{name}"), &spec).unwrap()
    }

    #[test]
    fn sources_take_their_place_in_a_layer() {
        let source = layer("source", "0:2,0:3,0:1,0:5");
        let to_layer = |axes: &str| Mapped::to_layer(&source, &parse(axes).unwrap());
        let mapped = to_layer("cyxz").unwrap();
        assert_eq!(mapped.layer_axes().to_string(), "x,y,z,c");
        assert_eq!(mapped.view.shape(), [1, 3, 5, 2]);
        let mapped = to_layer("yxtz").unwrap();
        assert_eq!(mapped.along(&[7, 8, 9], &mapped.layer_axes(), &0), [7, 8, 9]);
        assert_eq!(
            mapped.place_in(&layer("target", "-1:2,0:2,7:12")).unwrap().domain().to_string(),
            "-1:2,0:2,7:12"
        );
        assert!(to_layer("yxct").is_err() && to_layer("yxc").is_err());
    }

    #[test]
    fn an_image_is_a_layer_of_one_plane() {
        let image = layer("image", "0:6,0:7,0:1");
        let mapped = Mapped::to_layer(&image, &parse("yxt").unwrap()).unwrap();
        assert_eq!(mapped.along(&[7, 6], &mapped.layer_axes(), &1), [7, 6, 1]);
        let place = mapped.place_in(&layer("plane", "0:7,0:6,-3:-2")).unwrap();
        assert_eq!(place.domain().to_string(), "0:7,0:6");
    }
}
