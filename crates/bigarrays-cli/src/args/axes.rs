//! Names of axes: files have their axes in any order, layers x, y, z and maybe channels.

use std::fmt;

use bigarrays::Array;

/// The letters that name axes: those of a layer, and time.
const LETTERS: &str = "xyzct";

/// Names of axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axes(pub(crate) Vec<String>);

impl Axes {
    /// The axes of an array; channels are `c`, whatever it calls them.
    pub(crate) fn of(array: &Array) -> Self {
        let name = |name: &&str| if matches!(*name, "channel" | "s") { "c" } else { *name }.to_owned();
        Self(array.axis_names().iter().map(name).collect())
    }

    /// The axes that are letters of `text`.
    pub(crate) fn letters(text: &str) -> Self {
        Self(text.chars().map(String::from).collect())
    }

    /// Where the axis `name` stands.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|axis| axis == name)
    }

    /// The axes as options take them: letters, or names with commas.
    pub(crate) fn option(&self) -> String {
        self.0.join(if self.0.iter().all(|name| name.len() == 1) { "" } else { "," })
    }
}

/// Parses `zyx`, `czyx` and the like, or names with commas between them.
pub(crate) fn parse(text: &str) -> Result<Axes, String> {
    let axes = match text.contains(',') {
        true => Axes(text.split(',').map(|name| name.trim().to_owned()).collect()),
        false => Axes::letters(text),
    };
    let is_known = |name: &String| text.contains(',') || LETTERS.contains(name.as_str());
    let is_new = |(at, name): (usize, &String)| !name.is_empty() && !axes.0[..at].contains(name);
    if axes.0.is_empty() || !axes.0.iter().all(is_known) || !axes.0.iter().enumerate().all(is_new) {
        return Err(
            "expected the letters x, y, z, c and t, each once, as in zyx, or names with commas".to_owned()
        );
    }
    Ok(axes)
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigarrays::{CreateSpec, DataType, OpenOptions};

    #[test]
    fn letters() {
        let spec = CreateSpec::new(DataType::U8, "0:2,0:3,0:4,0:5".parse().unwrap());
        let layer = OpenOptions::new().create("memory://letters", &spec).unwrap();
        assert_eq!(parse("czyx").unwrap().to_string(), "c,z,y,x");
        assert_eq!(parse("time, z,y").unwrap().0, ["time", "z", "y"]);
        for bad in ["", "xx", "xyq", "XYZ", "a,,b", "a,a"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Axes::of(&layer).to_string(), "x,y,z,c");
    }
}
