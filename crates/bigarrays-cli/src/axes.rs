//! Which axis is which: files have their axes in any order, layers x, y, z and maybe channels.

use std::fmt;

use bigarrays::{Array, Error, Index, Result};

/// The axes of a layer, in its order.
const LAYER: [char; 4] = ['x', 'y', 'z', 'c'];

/// The letters that name axes: those of a layer, and time.
const LETTERS: &str = "xyzct";

/// Names of axes, a letter each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axes(pub(crate) Vec<char>);

impl Axes {
    /// The axes of an array; `?` for a name that is none of ours.
    pub(crate) fn of(array: &Array) -> Self {
        let letter = |name: &&str| match *name {
            "channel" | "s" => 'c',
            name => LETTERS.chars().find(|letter| name.chars().eq([*letter])).unwrap_or('?'),
        };
        Self(array.dimension_names().iter().map(letter).collect())
    }

    /// Where the axis `letter` stands.
    pub(crate) fn position(&self, letter: char) -> Option<usize> {
        self.0.iter().position(|&axis| axis == letter)
    }
}

/// Parses `zyx`, `czyx` and the like.
pub(crate) fn parse(text: &str) -> Result<Axes, String> {
    let axes: Vec<char> = text.chars().filter(|c| *c != ',').collect();
    let is_new = |(at, letter): (usize, &char)| LETTERS.contains(*letter) && !axes[..at].contains(letter);
    if axes.is_empty() || !axes.iter().enumerate().all(is_new) {
        return Err("expected the letters x, y, z, c and t, each once, as in zyx".to_owned());
    }
    Ok(Axes(axes))
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, axis) in self.0.iter().enumerate() {
            write!(f, "{}{axis}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The lengths of axes for people: `60 × 256 × 256`.
pub(crate) fn lengths(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")
}

/// The view of `array` whose axes are `wanted`, in that order. Axes that are left out must have one
/// element.
///
/// # Errors
/// `InvalidArgument` naming the axis that is not there or that is left out.
pub(crate) fn arrange(array: &Array, axes: &Axes, wanted: &Axes) -> Result<Array> {
    if let Some(absent) = wanted.0.iter().find(|&&axis| axes.position(axis).is_none()) {
        return Err(Error::invalid(format!("there is no axis {absent}; there are {axes}")).at(array.url()));
    }
    let mut kept = Vec::new();
    let mut indices = Vec::new();
    for (at, &axis) in axes.0.iter().enumerate() {
        let (length, first) = (array.shape()[at], array.domain().origin()[at]);
        if wanted.0.contains(&axis) {
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
        wanted.0.iter().filter_map(|axis| kept.iter().position(|kept| kept == axis)).collect();
    array.slice(&indices)?.permute(&order)
}

/// A source seen with the axes of a layer.
#[derive(Debug)]
pub(crate) struct AsLayer {
    /// The source, with those of the axes x, y, z, c that it has, in this order.
    pub(crate) view: Array,
    axes: Axes,
}

impl AsLayer {
    /// The `source`, whose axes are `axes`, with those of a layer.
    ///
    /// # Errors
    /// `InvalidArgument` if it has an axis of more than one element that layers do not have.
    pub(crate) fn new(source: &Array, axes: &Axes) -> Result<Self> {
        if axes.0.len() != source.ndim() {
            let reason = format!("{} letters for {} axes", axes.0.len(), source.ndim());
            return Err(Error::invalid(format!("--axes {}: {reason}", axes.0.iter().collect::<String>())));
        }
        let is_real = |letter: &char| match axes.position(*letter) {
            Some(at) => *letter != 'c' || source.shape()[at] > 1,
            None => false,
        };
        let wanted = Axes(LAYER.into_iter().filter(is_real).collect());
        let odd = (0..source.ndim()).find(|&at| !LAYER.contains(&axes.0[at]) && source.shape()[at] != 1);
        if let Some(at) = odd {
            let reason = format!(
                "axis {} of {axes} has {} elements, and layers have only x, y, z and c; \
                 if it is one of these, say so with --axes, as in --axes czyx",
                axes.0[at],
                source.shape()[at]
            );
            return Err(Error::invalid(reason).during("mapping the axes of").at(source.url()));
        }
        Ok(Self { view: arrange(source, axes, &wanted)?, axes: wanted })
    }

    /// Number of elements along x, y and z, and of channels.
    pub(crate) fn shape(&self) -> ([u64; 3], u64) {
        let length = |axis| self.axes.position(axis).map_or(1, |at| self.view.shape()[at]);
        (['x', 'y', 'z'].map(length), length('c'))
    }

    /// Size of an element along x, y and z in nanometres, where known.
    pub(crate) fn nanometres(&self) -> Option<[f64; 3]> {
        let resolution = self.view.resolution()?;
        let factor = match resolution.unit.trim().to_lowercase().as_str() {
            "nm" | "nanometer" | "nanometre" => 1.0,
            "um" | "µm" | "μm" | "micron" | "microns" | "micrometer" | "micrometre" => 1e3,
            "mm" | "millimeter" | "millimetre" => 1e6,
            _ => return None,
        };
        // Rounded to a picometre: 0.26 µm are 260 nm.
        let size = |axis| {
            self.axes.position(axis).map_or(1.0, |at| (resolution.size[at] * factor * 1e3).round() / 1e3)
        };
        Some(['x', 'y', 'z'].map(size)).filter(|size| size.iter().all(|&size| size > 0.0))
    }

    /// The view of `layer` that has the axes of the source, to be written to.
    pub(crate) fn place_in(&self, layer: &Array) -> Result<Array> {
        arrange(layer, &Axes::of(layer), &self.axes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigarrays::{CreateSpec, DataType, OpenOptions};

    fn layer(name: &str, domain: &str) -> Array {
        let spec = CreateSpec::new(DataType::U8, domain.parse().unwrap());
        OpenOptions::new().create(&format!("memory://{name}"), &spec).unwrap()
    }

    #[test]
    fn letters() {
        assert_eq!(parse("czyx").unwrap().to_string(), "c,z,y,x");
        for bad in ["", "xx", "xyq", "XYZ"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Axes::of(&layer("letters", "0:2,0:3,0:4,0:5")).to_string(), "x,y,z,c");
    }

    #[test]
    fn sources_take_their_place_in_a_layer() {
        let source = layer("source", "0:2,0:3,0:1,0:5");
        let mapped = AsLayer::new(&source, &parse("cyxz").unwrap()).unwrap();
        assert_eq!(mapped.shape(), ([1, 3, 5], 2));
        assert_eq!(mapped.view.shape(), [1, 3, 5, 2]);
        let mapped = AsLayer::new(&source, &parse("yxtz").unwrap()).unwrap();
        assert_eq!(mapped.shape(), ([3, 2, 5], 1));
        assert_eq!(
            mapped.place_in(&layer("target", "-1:2,0:2,7:12")).unwrap().domain().to_string(),
            "-1:2,0:2,7:12"
        );
        assert!(AsLayer::new(&source, &parse("yxct").unwrap()).is_err());
        assert!(AsLayer::new(&source, &parse("yxc").unwrap()).is_err());
    }

    #[test]
    fn an_image_is_a_layer_of_one_plane() {
        let image = layer("image", "0:6,0:7,0:1");
        let mapped = AsLayer::new(&image, &parse("yxt").unwrap()).unwrap();
        assert_eq!(mapped.shape(), ([7, 6, 1], 1));
        let place = mapped.place_in(&layer("plane", "0:7,0:6,-3:-2")).unwrap();
        assert_eq!(place.domain().to_string(), "0:7,0:6");
    }
}
