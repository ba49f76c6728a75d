//! Images of OME-Zarr, versions 0.4 and 0.5: groups of Zarr whose attributes list the scales of one image.
//!
//! <https://ngff.openmicroscopy.org/0.5/index.html#multiscale-md>

use std::sync::Arc;

use serde_json::{Map, Value};

use super::multiscale::{Dataset, Multiscale, OME};
use super::new::{array_spec, says_more};
use super::rules::DRAFTS;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::layout::Layout;
use crate::format::document::Document;
use crate::format::holds::{Holds, Missing, Names, Sizes, Start};
use crate::format::probe::Probe;
use crate::format::scale::{Scale, ScaleSelector};
use crate::format::spec::CreateSpec;
use crate::format::traits::{Format, Opened};
use crate::format::zarr::{self, V2, V3, Zarr};
use crate::store::Store;

/// OME-Zarr 0.5, over Zarr 3.
pub static OME_V3: OmeZarr =
    OmeZarr { zarr: &V3, about: "OME-Zarr 0.5 image, over Zarr 3", holds: &V3_HOLDS, is_nested: true };

/// OME-Zarr 0.4, over Zarr 2.
pub static OME_V2: OmeZarr =
    OmeZarr { zarr: &V2, about: "OME-Zarr 0.4 image, over Zarr 2", holds: &V2_HOLDS, is_nested: false };

/// Images of several scales.
#[derive(Clone, Copy, Debug)]
pub struct OmeZarr {
    pub(super) zarr: &'static Zarr,
    pub(super) about: &'static str,
    pub(super) holds: &'static Holds,
    /// Whether what is of images stands in the member [`OME`] of the attributes, beside the version; or else among them,
    /// each with the version.
    pub(super) is_nested: bool,
}

/// An error unless an image of this version is one that is read here; drafts, and images that say none, are.
fn expect_version(version: Option<&Value>, is_nested: bool) -> Result<()> {
    let known = if is_nested { vec!["0.5"] } else { [&DRAFTS[..], &["0.4"]].concat() };
    match version {
        Some(version) if !known.iter().any(|known| version == known) => {
            let known = known.join(", ");
            Err(Error::unsupported(format!(
                "version: images of OME-Zarr {version} are not read here; {known} are"
            )))
        }
        _ => Ok(()),
    }
}

/// What images of OME-Zarr 0.5 hold: what their arrays do, and what is said of these in the group.
static V3_HOLDS: Holds = images(zarr::V3_HOLDS);

/// What images of OME-Zarr 0.4 hold.
static V2_HOLDS: Holds = images(zarr::V2_HOLDS);

const fn images(of: Holds) -> Holds {
    Holds {
        start: Start::Anywhere,
        dimension_names: Names::All,
        axes: true,
        resolution: Sizes::Space,
        unit: false,
        says_more,
        labels: true,
        // Elements of images are never missing.
        missing: Missing::None,
        attributes: Some("ome"),
        understood_attributes: &[
            "_ARRAY_DIMENSIONS",
            "bigarrays",
            "image-label",
            "multiscales",
            "ome",
            "omero",
        ],
        key: true,
        ..of
    }
}

impl OmeZarr {
    /// The members among which `multiscales` stands.
    pub(super) fn members<'a>(&self, attributes: &'a Document) -> Option<&'a Map<String, Value>> {
        if self.is_nested { attributes.get(OME)?.as_object() } else { Some(attributes) }
    }

    /// The image whose attributes these are, if they are of one.
    pub(super) fn parse(&self, attributes: &Document) -> Result<Option<Multiscale>> {
        let Some(members) = self.members(attributes) else { return Ok(None) };
        let Some(all) = members.get("multiscales") else { return Ok(None) };
        expect_version(members.get("version").or_else(|| all.pointer("/0/version")), self.is_nested)?;
        let labels = members.contains_key("image-label");
        let mut image = Multiscale::parse(all, labels)?;
        image.channels = channels(members.get("omero"));
        Ok(Some(image))
    }

    /// The image that is there, if there is one.
    pub(super) fn find(&self, probe: &Probe) -> Result<Option<Multiscale>> {
        let Some(attributes) = self.zarr.group_attributes(probe)? else { return Ok(None) };
        self.parse(&attributes).map_err(|error| error.at(probe.store().location("")))
    }

    /// The image at the root of `store`, as it is now.
    pub(super) fn image(&self, store: &Arc<dyn Store>) -> Result<Multiscale> {
        self.find(&self.zarr.probe(store)?)?.ok_or_else(none)
    }

    /// The scales of an image, and the array of each or why it cannot be opened.
    ///
    /// # Errors
    /// A storage error, which says nothing of what is stored.
    pub(super) fn scales(
        &self,
        store: &dyn Store,
        image: &Multiscale,
    ) -> Result<Vec<(Scale, Result<Opened>)>> {
        let paths: Vec<String> = image.datasets.iter().map(|dataset| dataset.path.clone()).collect();
        let probes = Probe::read_each(store, &paths, self.zarr.keys())?;
        let one = |(dataset, probe): (&Dataset, &Probe)| match self.dataset(probe, image, dataset) {
            Ok(opened) => Ok((scale(image, dataset, &opened.layout), Ok(opened))),
            Err(error) if is_damage(&error) => Ok((lost(image, dataset)?, Err(error))),
            Err(error) => Err(error),
        };
        image.datasets.iter().zip(&probes).map(one).collect()
    }

    /// Where the arrays of an image contradict it: the names of their axes, and how many channels are described.
    pub(super) fn contradictions(&self, store: &dyn Store, image: &Multiscale) -> Result<Vec<String>> {
        let paths: Vec<String> = image.datasets.iter().map(|dataset| dataset.path.clone()).collect();
        let probes = Probe::read_each(store, &paths, self.zarr.keys())?;
        let mut found = Vec::new();
        for (path, probe) in paths.iter().zip(&probes) {
            // What cannot be opened is said elsewhere.
            let Ok(array) = self.zarr.open_member(probe) else { continue };
            let names = array.layout.dimension_names.iter();
            let own: Vec<&str> = names.map(|name| name.as_deref().unwrap_or_default()).collect();
            let listed: Vec<&str> = image.axes.iter().map(|axis| axis.name.as_str()).collect();
            // Zarr 2 has no names, and 0.5 wants those of the list.
            if self.is_nested && own != listed {
                found.push(format!("scale {path}: its dimension_names are {own:?}, but the axes {listed:?}"));
            }
            let channel = image.axes.iter().position(|axis| axis.kind.as_deref() == Some("channel"));
            let count = channel.and_then(|axis| array.layout.domain().shape().get(axis).copied());
            let described = image.channels.len() as u64;
            if let Some(count) = count.filter(|count| described > 0 && *count != described) {
                found
                    .push(format!("omero.channels: {described} are described, but scale {path} has {count}"));
            }
        }
        Ok(found)
    }

    /// Opens the array of a scale.
    fn dataset(&self, probe: &Probe, image: &Multiscale, dataset: &Dataset) -> Result<Opened> {
        let named = |error: Error| match error.kind() {
            // There is an image, and it says that there is this scale.
            ErrorKind::NotFound | ErrorKind::InvalidArgument | ErrorKind::InvalidMetadata => {
                Error::metadata(format!("multiscales[0]: scale {}: {error}", dataset.path)).caused_by(error)
            }
            _ => error,
        };
        let opened = self.zarr.open_member(probe).map_err(named)?;
        let layout = placed(opened.layout, image, dataset).map_err(named)?;
        Ok(Opened { layout, ..opened })
    }

    /// Opens one scale of an image, knowing all of them, of which others may be damaged.
    pub(super) fn opened(
        &self,
        store: &dyn Store,
        image: &Multiscale,
        selector: &ScaleSelector,
    ) -> Result<Opened> {
        let (scales, mut all): (Vec<_>, Vec<_>) = self.scales(store, image)?.into_iter().unzip();
        let position = selector.find(&scales)?;
        let opened = all.swap_remove(position)?;
        Ok(Opened { format: self.name(), scales, scale: position, ..opened })
    }

    /// Changes the image as `change` does with that which is there.
    pub(super) fn change(
        &self,
        store: &Arc<dyn Store>,
        change: impl Fn(&mut Multiscale) -> Result<()> + Sync,
    ) -> Result<()> {
        let changed = |mut attributes: Document| {
            let mut image = self.parse(&attributes)?.ok_or_else(none)?;
            change(&mut image)?;
            let multiscales = |members: &mut Map<String, Value>| {
                let old = members.get("multiscales").cloned();
                members.insert("multiscales".to_owned(), image.to_json(old.as_ref(), !self.is_nested));
            };
            match attributes.get_mut(OME).and_then(Value::as_object_mut).filter(|_| self.is_nested) {
                Some(members) => multiscales(members),
                None => multiscales(&mut attributes),
            }
            Ok(attributes)
        };
        self.zarr.try_change_attributes(store, &changed)
    }

    /// Makes the array of a new scale: under the key that `spec` names, or under the next number that is free.
    /// Returns its key.
    pub(super) fn create_scale(
        &self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        image: &Multiscale,
    ) -> Result<String> {
        let array = array_spec(spec, image)?;
        let is_listed = |path: &str| image.datasets.iter().any(|dataset| dataset.path == path);
        let first = image.datasets.len();
        let numbers = (first..first + MOST_BEGUN).map(|number| number.to_string());
        let mut taken = Error::new(ErrorKind::AlreadyExists, "the next numbers are all taken; give a key");
        for path in spec.storage.key.clone().map_or_else(|| numbers.collect(), |key| vec![key]) {
            if is_listed(&path) {
                taken = exists(&path);
                continue;
            }
            match self.zarr.create_or_adopt(&store.child(&path)?, &array, true) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => taken = error,
                created => return created.map(|_| path),
            }
        }
        Err(taken)
    }
}

/// How many arrays may stand under the next numbers without being listed, as their makers have died or are at it.
const MOST_BEGUN: usize = 256;

pub(super) fn none() -> Error {
    Error::new(ErrorKind::NotFound, "there is no image here")
}

pub(super) fn exists(path: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("scale {path:?} exists"))
}

/// The layout of a scale, with the names, places and sizes that the image says.
fn placed(layout: Layout, image: &Multiscale, dataset: &Dataset) -> Result<Layout> {
    let shape = layout.domain().shape();
    if shape.len() != image.axes.len() {
        return Err(Error::metadata(format!("{} axes, but {} in the list", shape.len(), image.axes.len())));
    }
    let chunk: Dims<u64> = layout.grid.chunk_shape().into();
    let grid = ChunkGrid::new(Domain::new(&dataset.origin(), shape)?, &chunk, EdgeChunks::Padded)?;
    let axis_names: Dims<String> = image.axes.iter().map(|axis| axis.name.clone()).collect();
    let dimension_names = axis_names.iter().cloned().map(Some).collect();
    Ok(Layout {
        grid,
        dimension_names,
        axis_names,
        resolution: image.said_resolution(dataset),
        positions: Some(image.positions(dataset, shape)),
        // Elements of images are never missing.
        fill_is_missing: false,
        ..layout
    })
}

/// What `omero` calls the channels; none unless it names all that it lists.
pub(super) fn channels(omero: Option<&Value>) -> Vec<String> {
    let list = omero.and_then(|omero| omero.get("channels")).and_then(Value::as_array);
    let label = |channel: &Value| channel.get("label").and_then(Value::as_str).map(str::to_owned);
    let all = list.into_iter().flatten().map(|channel| label(channel).filter(|label| !label.is_empty()));
    all.collect::<Option<_>>().unwrap_or_default()
}

/// Whether an error says something of what is stored.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidMetadata | ErrorKind::CorruptData | ErrorKind::Unsupported)
}

/// A scale whose array cannot be opened: of no elements.
fn lost(image: &Multiscale, dataset: &Dataset) -> Result<Scale> {
    let ndim = image.axes.len();
    Ok(Scale {
        key: dataset.path.clone(),
        domain: Domain::from_shape(&vec![0; ndim])?,
        chunks: vec![Dims::from_elem(1, ndim)],
        resolution: image.resolution(dataset),
        encoding: "cannot be opened".to_owned(),
        sharded: false,
        labels: image.labels,
    })
}

fn scale(image: &Multiscale, dataset: &Dataset, layout: &Layout) -> Scale {
    Scale {
        key: dataset.path.clone(),
        domain: layout.domain().clone(),
        chunks: vec![layout.grid.chunk_shape().into()],
        resolution: image.resolution(dataset),
        encoding: layout.codecs.names().collect::<Vec<_>>().join(" + "),
        sharded: layout.sharding.is_some(),
        labels: image.labels,
    }
}
