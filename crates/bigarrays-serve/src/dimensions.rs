//! What axes are called in the viewer, how long their elements are, and where the first one is.

use bigarrays::chunk::layout::{Positions, Resolution};

use crate::layer::Served;

/// An axis in the viewer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dimension {
    pub(crate) name: String,
    /// Size of an element, in `unit`.
    pub(crate) scale: f64,
    /// One that the viewer knows, or none.
    pub(crate) unit: &'static str,
    /// The same in the unit of the array itself; 1 where it has none.
    pub(crate) length: f64,
    /// What is added to coordinates so that those of layers with other origins agree.
    pub(crate) offset: f64,
}

impl Dimension {
    fn unknown(name: String) -> Self {
        Self { name, scale: 1.0, unit: "", length: 1.0, offset: 0.0 }
    }

    /// Of the elements of `positions`, the first of which has the coordinate `first`.
    fn of(name: String, positions: &Positions, first: i64) -> Self {
        let known = positions.unit.as_deref().and_then(known);
        let Some((factor, unit)) = known.filter(|_| positions.step.is_finite() && positions.step > 0.0)
        else {
            return Self::unknown(name);
        };
        let offset = positions.start / positions.step - first as f64;
        let offset = if offset.is_finite() && offset.abs() > 1e-6 { offset } else { 0.0 };
        Self { name, scale: decimal(positions.step * factor), unit, length: positions.step, offset }
    }

    fn is_known(&self) -> bool {
        !self.unit.is_empty()
    }

    /// Nanometres of an element, where it has such a length; otherwise 1, which stands for nothing.
    pub(crate) fn nanometres(&self) -> f64 {
        if self.unit == "m" { decimal(self.scale * 1e9) } else { 1.0 }
    }
}

/// The number without what decimal fractions lose in binary: 8 nm are 8e-9 m, not 8.000000000000001e-9.
fn decimal(number: f64) -> f64 {
    format!("{number:.12e}").parse().unwrap_or(number)
}

/// The factor to a unit that the viewer knows, and that.
fn known(unit: &str) -> Option<(f64, &'static str)> {
    if let Some(nanometres) = Resolution::nanometres_of(unit) {
        return Some((nanometres * 1e-9, "m"));
    }
    let seconds = match unit.trim().to_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => 1.0,
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "us" | "µs" | "μs" | "microsecond" | "microseconds" => 1e-6,
        "ns" | "nanosecond" | "nanoseconds" => 1e-9,
        "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        _ => return None,
    };
    Some((seconds, "s"))
}

/// Those of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Dimensions {
    /// The three that are shown.
    pub(crate) shown: Vec<Dimension>,
    /// Those that have one coordinate at a time.
    pub(crate) others: Vec<Dimension>,
}

impl Dimensions {
    /// Of those that are shown, the length of an element in the unit of the array, and what is added to coordinates.
    pub(crate) fn measures(&self) -> ([f64; 3], [f64; 3]) {
        let each = |one: fn(&Dimension) -> f64, none: f64| {
            [0, 1, 2].map(|axis: usize| self.shown.get(axis).map_or(none, one))
        };
        (each(|one| one.length, 1.0), each(|one| one.offset, 0.0))
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Dimension> {
        self.shown.iter().chain(&self.others)
    }
}

/// Those of all layers. One of which nothing is known, as of expressions and NumPy arrays, is as the first one of its name of which
/// something is: otherwise the layers would not lie over each other.
pub(crate) fn of_all(layers: &[Served]) -> Vec<Dimensions> {
    let mut all: Vec<Dimensions> = layers.iter().map(of).collect();
    let known: Vec<Dimension> =
        all.iter().flat_map(Dimensions::all).filter(|one| one.is_known()).cloned().collect();
    for own in &mut all {
        for one in own.shown.iter_mut().chain(&mut own.others).filter(|one| !one.is_known()) {
            if let Some(other) = known.iter().find(|other| other.name == one.name) {
                *one = other.clone();
            }
        }
    }
    all
}

fn of(layer: &Served) -> Dimensions {
    let (names, positions) = (layer.base().names(), layer.base().positions());
    let (axes, domain) = (layer.axes(), layer.base().domain());
    let one = |axis: usize| {
        let name = plain(&names[axis], axis);
        match &positions[axis] {
            Some(positions) => Dimension::of(name, positions, domain.origin()[axis]),
            None => Dimension::unknown(name),
        }
    };
    let others: Vec<Dimension> = axes.others.iter().map(|&axis| one(axis)).collect();
    let mut shown: Vec<Option<Dimension>> = axes.shown.iter().map(|axis| axis.map(one)).collect();
    for at in 0..shown.len() {
        let is_free =
            |name: &&str| !shown.iter().flatten().chain(&others).any(|dimension| dimension.name == **name);
        if shown[at].is_none() {
            let mut free =
                ["x", "y", "z", "x0", "y0", "z0", "x1", "y1", "z1"].into_iter().skip(at).step_by(3);
            let name = free.find(is_free).unwrap_or("none");
            shown[at] = Some(Dimension::unknown(name.to_owned()));
        }
    }
    Dimensions { shown: shown.into_iter().flatten().collect(), others }
}

/// A name that the viewer takes: letters, digits and lines below, not a digit first.
fn plain(name: &str, axis: usize) -> String {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    match plain.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => plain,
        _ => format!("axis{axis}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_the_viewer_and_offsets_are_of_elements() {
        let positions =
            |start, step, unit: &str| Positions { start, step, unit: Some(unit.to_owned()), labels: None };
        let x = Dimension::of("x".into(), &positions(-80.0, 8.0, "nm"), -10);
        assert_eq!((x.scale, x.unit, x.offset, x.nanometres()), (8e-9, "m", 0.0, 8.0));
        let z = Dimension::of("z".into(), &positions(1.3, 0.26, "micrometer"), 0);
        assert_eq!((z.scale, z.unit, z.nanometres()), (2.6e-7, "m", 260.0));
        assert!((z.offset - 5.0).abs() < 1e-9);
        let t = Dimension::of("t".into(), &positions(0.0, 20.0, "ms"), 0);
        assert_eq!((t.scale, t.unit), (0.02, "s"));
        assert_eq!(Dimension::of("h".into(), &positions(0.0, 2.0, "hPa"), 0).unit, "");
        assert_eq!((plain("a b-c", 0), plain("7", 2)), ("abc".to_owned(), "axis2".to_owned()));
    }
}
