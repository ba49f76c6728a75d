//! The axes of a file of pages, and how large its elements are.

use std::collections::HashSet;

use crate::base::dims::Dims;
use crate::chunk::layout::Resolution;

/// What all pages of a file have in common, as far as axes go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageKind {
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) samples: u64,
    /// Whether each sample has a plane of its own, before rows and columns.
    pub(crate) planar: bool,
}

impl PageKind {
    /// The lengths of a page's axes.
    pub(super) fn shape(&self) -> Vec<u64> {
        let (before, behind) = (self.planar && self.samples > 1, !self.planar && self.samples > 1);
        let planes = before.then_some(self.samples).into_iter();
        planes.chain([self.height, self.width]).chain(behind.then_some(self.samples)).collect()
    }

    /// The names of a page's axes where nothing says others.
    pub(super) fn usual_names(&self) -> Vec<String> {
        let names: &[&str] = match (self.samples, self.planar) {
            (1, _) => &["y", "x"],
            (_, true) => &["c", "y", "x"],
            (_, false) => &["y", "x", "c"],
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }
}

/// The axes that the pages of a file run along, and the size of an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hints {
    /// Names and lengths, slowest first; their product is the number of pages.
    pub(crate) outer: Vec<(String, u64)>,
    /// The names of the axes of a page.
    pub(crate) page: Vec<String>,
    /// Size of an element along x, y and z.
    pub(super) size: [f64; 3],
    pub(super) unit: Option<String>,
    /// The position of each page in the order of the axes, if that is not the order of the file.
    pub(crate) order: Option<Vec<usize>>,
}

impl Hints {
    /// No two axes have one name: samples of a page that has a channel are called so.
    pub(super) fn name_apart(&mut self) {
        let is_outer = |name: &String| self.outer.iter().any(|axis| axis.0 == *name);
        for name in self.page.iter_mut().filter(|name| **name == "c") {
            if is_outer(name) {
                "s".clone_into(name);
            }
        }
        let mut seen = HashSet::new();
        let names = self.outer.iter_mut().map(|axis| &mut axis.0).chain(&mut self.page);
        for (position, name) in names.enumerate() {
            if !seen.insert(name.clone()) {
                *name = format!("dim_{position}");
            }
        }
    }

    /// The size of an element along each of the named axes.
    pub(crate) fn resolution(&self, names: &[String]) -> Option<Resolution> {
        let size = |name: &String| match &name[..] {
            "x" => self.size[0],
            "y" => self.size[1],
            "z" => self.size[2],
            _ => 1.0,
        };
        let unit = self.unit.clone()?;
        Some(Resolution { size: names.iter().map(size).collect::<Dims<f64>>(), unit })
    }
}

/// One spelling for micrometres; any other unit as it is.
pub(super) fn usual_unit(unit: &str) -> String {
    match unit.trim() {
        "µm" | "μm" | "um" | "\\u00B5m" | "micron" | "microns" => "um".into(),
        other => other.into(),
    }
}
