//! The options of new arrays that a format has, as data.

use serde_json::{Map, Value};

use crate::base::dtype::DataType;

/// What arrays of a format hold of what a new array is and of how it is stored. All else is refused where it is asked
/// for, and adapted where another array has it: see [`fit`](super::fit()).
#[derive(Clone, Copy, Debug)]
pub struct Holds {
    /// The way of listing codecs and of making keys of chunks, which are kept between formats that share it.
    pub dialect: &'static str,
    /// Where the first element can lie.
    pub start: Start,
    /// Which axes have names.
    pub dimension_names: Names,
    /// Whether it says kinds and units of axes.
    pub axes: bool,
    /// For which axes it says the size of an element.
    pub resolution: Sizes,
    /// Whether sizes may be in another unit than that of a length, or in none.
    pub unit: bool,
    /// Whether it says that elements are labels.
    pub labels: bool,
    /// The family of formats that say the value of what is not stored in the same way; `None` if it says none.
    pub fill_value: Option<&'static str>,
    /// Where xarray keeps the value that stands for elements without one.
    pub missing: Missing,
    /// The family of formats that understand the same members among attributes; `None` if it has no attributes. Those
    /// of other families mean nothing, or something wrong, and are left behind.
    pub attributes: Option<&'static str>,
    /// Names of attributes that it has for itself.
    pub reserved_attributes: &'static [&'static str],
    /// Names of those among the user's attributes that its readers understand: in another family they mean nothing, or
    /// something wrong.
    pub understood_attributes: &'static [&'static str],
    /// What those of them say that nothing else says of an array: their names, or those of members.
    pub says_more: fn(&Map<String, Value>) -> Vec<String>,
    /// Whether its arrays are of chunks, which may be encoded.
    pub chunks: bool,
    /// The encodings that it takes over from other formats.
    pub encodings: &'static [&'static str],
    /// Which lists of codecs it takes.
    pub codecs: Codecs,
    /// The encodings that have blocks.
    pub block_shape: &'static [&'static str],
    /// Whether chunks may be compressed around their encoding.
    pub content_encoding: bool,
    /// How it packs chunks into shards.
    pub sharding: Shards,
    /// The ways of making keys of chunks of which one can be chosen.
    pub chunk_keys: &'static [&'static str],
    /// Whether it has scales, each of which has a key.
    pub key: bool,
    /// The key that the first of several scales has to be created with, if any.
    pub first_key: Option<&'static str>,
}

/// Where the first element of an array can lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At zero on every axis.
    Zero,
    /// At zero on every axis; where it lies in what the array is a copy of is said beside.
    ZeroWithOrigin,
    /// Anywhere, also below zero.
    Anywhere,
}

/// Where xarray keeps the value that stands for elements without one, its `_FillValue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nowhere.
    None,
    /// It is the fill value, if metadata say one.
    FillValue,
    /// In an attribute.
    Attribute,
}

/// Which axes of an array have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// None.
    None,
    /// Every array has these axes in this order, of which the last, channels, may be missing.
    Fixed(&'static [&'static str]),
    /// All of them.
    All,
    /// All of them, or none.
    AllOrNone,
    /// Any.
    Each,
}

/// For which axes of an array the size of an element is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// None.
    None,
    /// Those of space; more may be given.
    Space,
    /// All of them.
    All,
}

/// Which lists of codecs, as metadata of Zarr 3 have them, a format takes.
#[derive(Clone, Copy, Debug)]
pub enum Codecs {
    /// None.
    None,
    /// Plain elements in one compression that it has words for, as this says of a list as it does below.
    Compression(fn(&Value, DataType, usize) -> bool),
    /// Any that it has words for, as this says of a list, of the type of elements and of the number of axes.
    Any(fn(&Value, DataType, usize) -> bool),
}

/// How a format packs chunks into shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// Not at all.
    None,
    /// By ids of chunks along a Morton curve, as `neuroglancer_uint64_sharded_v1` has them.
    Neuroglancer,
    /// As boxes of any shape, in which chunks lie in any order.
    Boxes,
}

impl Holds {
    /// What a file of plain elements holds: nothing but type and shape. Formats say what they hold beyond that.
    pub const PLAIN: Self = Self {
        dialect: "",
        start: Start::Zero,
        dimension_names: Names::None,
        axes: false,
        resolution: Sizes::None,
        unit: false,
        labels: false,
        fill_value: None,
        missing: Missing::None,
        attributes: None,
        reserved_attributes: &[],
        understood_attributes: &[],
        says_more: |_| Vec::new(),
        chunks: false,
        encodings: &["raw"],
        codecs: Codecs::None,
        block_shape: &[],
        content_encoding: false,
        sharding: Shards::None,
        chunk_keys: &[],
        key: false,
        first_key: None,
    };

    /// The axes that every array has, in their order; the last, channels, may be missing. `None` if axes are free.
    pub fn fixed_axes(&self) -> Option<&'static [&'static str]> {
        match self.dimension_names {
            Names::Fixed(axes) => Some(axes),
            _ => None,
        }
    }

    /// Whether the format has the attribute of this name for itself.
    pub(super) fn reserves(&self, name: &str) -> bool {
        self.reserved_attributes.contains(&name)
    }

    /// Whether the format understands the attribute of this name.
    pub(super) fn understands(&self, name: &str) -> bool {
        self.understood_attributes.contains(&name)
    }

    /// Whether every array says a size of its elements, which is 1 nm where nobody knows better.
    pub fn needs_resolution(&self) -> bool {
        self.resolution == Sizes::Space
    }

    /// Whether every axis must have a name.
    pub fn names_axes(&self) -> bool {
        self.dimension_names == Names::All
    }
}
