//! What a format is: a translator between stored metadata and a [`Layout`]. A format never reads or writes
//! elements; arrays do, and they do not ask which format it was.
//!
//! Every format opens what is stored. What else it can do are traits of their own, which it lends: [`Create`],
//! [`Complete`], [`Scales`], [`Remove`], [`Resize`], [`Groups`], [`Attributes`]. All take a store that is rooted at the array, image or group, never a URL.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::holds::Holds;
use super::incomplete::Incomplete;
use super::probe::Probe;
use super::scale::{Scale, ScaleSelector};
use super::spec::CreateSpec;
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::error::Result;
use crate::chunk::codec::ContentEncoding;
use crate::chunk::layout::{Layout, Resolution};
use crate::store::{Store, StoreOptions};

/// A translator between stored metadata and layouts.
pub trait Format: Debug + Send + Sync {
    /// The name that `format=` and tables use.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// Whether the format reads, and whether it writes.
    fn abilities(&self) -> Abilities;

    /// The names by which URLs call it, before `://` or behind `|`.
    fn schemes(&self) -> &'static [&'static str] {
        &[]
    }

    /// The keys of the documents that show whether something of this format is at a place. All of them are read
    /// at once, with those of other formats, before the format is asked. Empty for files, which their names show.
    fn documents(&self) -> &'static [&'static str] {
        &[]
    }

    /// The order in which its users have axes: in C's, the last is the one along which elements lie
    /// next to each other.
    fn order(&self) -> Order {
        Order::C
    }

    /// Opens what is at the root of the probed store, or says `None` if that is not of this format.
    ///
    /// # Errors
    /// `InvalidMetadata` or `Unsupported` if it is of this format but cannot be opened.
    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>>;

    /// What the metadata have that the format forbids, although they can be read: each says where. None
    /// if they are not of this format.
    ///
    /// # Errors
    /// As [`Format::open`].
    fn problems(&self, probe: &Probe) -> Result<Vec<String>> {
        let _ = probe;
        Ok(Vec::new())
    }

    /// Whether its files are flat arrays, which grow and are mapped.
    fn is_flat(&self) -> bool {
        false
    }

    /// How many slices the file at `path` names itself; `None` if such files name none.
    ///
    /// # Errors
    /// `CorruptData` if the names are damaged.
    fn count_names(&self, path: &Path) -> Option<Result<u64>> {
        let _ = path;
        None
    }

    /// How it makes arrays, if it does.
    fn creates(&self) -> Option<&dyn Create> {
        None
    }

    /// How it takes away the mark of incomplete arrays, if it has a place for it.
    fn completes(&self) -> Option<&dyn Complete> {
        None
    }

    /// How it adds scales to a layer, if layers have several.
    fn scales(&self) -> Option<&dyn Scales> {
        None
    }

    /// How it removes arrays, if it does.
    fn removes(&self) -> Option<&dyn Remove> {
        None
    }

    /// How it gives arrays another shape, if it does.
    fn resizes(&self) -> Option<&dyn Resize> {
        None
    }

    /// How it keeps groups, if it has any.
    fn groups(&self) -> Option<&dyn Groups> {
        None
    }

    /// How it keeps attributes, if it has any.
    fn attributes(&self) -> Option<&dyn Attributes> {
        None
    }
}

/// A format that makes arrays.
pub trait Create: Format {
    /// What of new arrays it holds: what they are, and how they are stored.
    fn holds(&self) -> &'static Holds;

    /// Creates an array at the root of `store` and opens it. Of `spec` it only gets what it [`holds`](Create::holds).
    ///
    /// # Errors
    /// `AlreadyExists`; `InvalidArgument` if a value of `spec` is none that the format can have.
    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened>;

    /// What an empty array like the one that is there would be made of; `None` if that is not of this format.
    ///
    /// # Errors
    /// As [`Format::open`].
    fn like(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        Ok(self.open(probe, options)?.map(|opened| CreateSpec::of(&opened.layout)))
    }
}

/// A format whose metadata say of an array that it is incomplete.
pub trait Complete: Create {
    /// Has the metadata of the array at the root of `store`, or of the scale of this key, say nothing of that any more, in
    /// one atomic change.
    ///
    /// # Errors
    /// `NotFound`; a storage error, after which the array is marked as before.
    fn complete(&self, store: &Arc<dyn Store>, scale: Option<&str>) -> Result<()>;

    /// Has the metadata say that the scale of this key is incomplete, in one atomic change, so that nobody opens it while it is
    /// removed.
    ///
    /// # Errors
    /// `NotFound`; a storage error, after which nothing has changed.
    fn mark(&self, store: &Arc<dyn Store>, scale: &str) -> Result<()>;
}

/// A format of layers or images of several scales.
pub trait Scales: Create {
    /// Whether elements of coarser scales begin at whole multiples of their size from coordinate 0 on, so that coordinates of a
    /// scale are those of the finest, divided. Otherwise the first elements of all scales begin at the same place.
    fn begins_at_zero(&self) -> bool {
        false
    }

    /// Whether a scale can be removed only if it is the last.
    fn removes_the_last(&self) -> bool {
        false
    }

    /// Adds a scale to the layer at the root of `store` and opens it.
    ///
    /// # Errors
    /// As [`Create::create`]; `NotFound` if there is no layer.
    fn add_scale(&self, store: &Arc<dyn Store>, spec: &CreateSpec, options: &FormatOptions)
    -> Result<Opened>;
}

/// A format that removes what it has made.
pub trait Remove: Format {
    /// Removes one scale of the layer at the root of `store`, or with `None` the whole layer: metadata first, so
    /// that no reader finds half of it, then the chunks.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` if the array has no scales of its own.
    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()>;
}

/// A format whose arrays can be given another shape.
pub trait Resize: Format {
    /// Gives the array at the root of `store` another shape. What it gains is fill value; chunks that will be outside
    /// are removed before, lest they come back with the next growth if this is cut short. Arrays that are open keep
    /// the shape that they were opened with.
    ///
    /// # Errors
    /// `NotFound`; `InvalidArgument` for a shape of another number of axes.
    fn resize(&self, store: &Arc<dyn Store>, shape: &[u64]) -> Result<()>;
}

/// A format that keeps arrays in groups.
pub trait Groups: Format {
    /// What the group holds, at any depth; `None` if there is no group of this format.
    ///
    /// # Errors
    /// `InvalidMetadata`; a storage error, also where the store cannot list.
    fn list(&self, probe: &Probe) -> Result<Option<Vec<Node>>>;

    /// As [`Groups::list`], but as it is stored, whatever copies in the group say of it, and beside that what only they
    /// have; and where copies and what is stored contradict each other.
    ///
    /// # Errors
    /// Those of [`Groups::list`].
    fn survey(&self, probe: &Probe) -> Result<Option<(Vec<Node>, Vec<String>)>> {
        Ok(self.list(probe)?.map(|nodes| (nodes, Vec::new())))
    }

    /// Creates a group at the root of `store`.
    ///
    /// # Errors
    /// `AlreadyExists`.
    fn create_group(&self, store: &Arc<dyn Store>, attributes: &Map<String, Value>) -> Result<()>;
}

/// A change of the user's attributes.
pub type ChangeAttributes<'a> = dyn Fn(Map<String, Value>) -> Map<String, Value> + Sync + 'a;

/// A format that keeps the user's attributes of arrays and groups.
pub trait Attributes: Format {
    /// The attributes of what is there; `None` if that is not of this format.
    ///
    /// # Errors
    /// `InvalidMetadata`.
    fn read(&self, probe: &Probe) -> Result<Option<Map<String, Value>>>;

    /// Replaces the attributes by what `change` makes of them, in one atomic step.
    ///
    /// # Errors
    /// `NotFound`.
    fn change(&self, store: &Arc<dyn Store>, change: &ChangeAttributes<'_>) -> Result<()>;
}

/// An array or a group in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its path in the group.
    pub path: String,
    /// Whether it is an array.
    pub is_array: bool,
}

/// What a format can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// It opens what is stored.
    pub reads: bool,
    /// It creates and changes what is stored.
    pub writes: bool,
}

/// Options for opening what is stored.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions {
    /// Name of the format, or of a family of formats such as `zarr`; found by the metadata if not given.
    pub format: Option<String>,
    /// Which scale to open.
    pub scale: ScaleSelector,
    /// Whether arrays are opened that are marked as incomplete.
    pub incomplete: bool,
    /// The compression put around chunks that are written whole.
    pub content_encoding: ContentEncoding,
    /// How the store of a URL is opened, and files that are arrays.
    pub store: StoreOptions,
}

/// An opened array, before it is one.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Name of the format.
    pub format: &'static str,
    /// How the array is stored.
    pub layout: Layout,
    /// Further copies of the data in the same store, in other chunk shapes.
    pub copies: Vec<Layout>,
    /// The store rooted at the array.
    pub store: Arc<dyn Store>,
    /// The store rooted at what was opened: the array, or the image or group that it is of.
    pub root: Arc<dyn Store>,
    /// The scales of the layer, finest first.
    pub scales: Vec<Scale>,
    /// Position of this array in `scales`.
    pub scale: usize,
    /// What the user should know of how it was opened.
    pub notes: Vec<String>,
    /// What is known of its making, if it is marked as incomplete.
    pub incomplete: Option<Incomplete>,
}

impl Opened {
    /// An array of one scale in `store`.
    pub fn new(format: &'static str, layout: Layout, store: Arc<dyn Store>) -> Self {
        Self {
            format,
            layout,
            copies: Vec::new(),
            root: Arc::clone(&store),
            store,
            scales: Vec::new(),
            scale: 0,
            notes: Vec::new(),
            incomplete: None,
        }
    }

    /// The array as the only scale of the group that it was opened from, where its path is its key.
    pub(super) fn member(self, path: &str) -> Self {
        let ndim = self.layout.domain().ndim();
        let unknown = || Resolution { size: Dims::from_elem(1.0, ndim), unit: String::new() };
        let scale = Scale {
            key: path.to_owned(),
            domain: self.layout.domain().clone(),
            chunks: vec![self.layout.grid.chunk_shape().into()],
            resolution: self.layout.resolution.clone().unwrap_or_else(unknown),
            encoding: self.layout.codecs.names().collect::<Vec<_>>().join(" + "),
            sharded: self.layout.sharding.is_some(),
            labels: false,
        };
        Self { scales: vec![scale], scale: 0, ..self }
    }
}
