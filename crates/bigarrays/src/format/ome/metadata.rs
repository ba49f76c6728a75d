//! OME-Zarr, versions 0.4 and 0.5: a group of Zarr whose attributes list the scales of one image.
//!
//! <https://ngff.openmicroscopy.org/0.5/index.html#multiscale-md>

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::multiscale::{self, Dataset, Multiscale, NANOMETRES};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::layout::{Layout, Resolution};
use crate::format::document::Document;
use crate::format::holds::{Holds, Names, Sizes, Start};
use crate::format::place::check_new_key;
use crate::format::probe::Probe;
use crate::format::scale::{Scale, ScaleSelector};
use crate::format::spec::{ArraySpec, CreateSpec, StorageSpec};
use crate::format::traits::{
    Abilities, Attributes, ChangeAttributes, Create, Format, FormatOptions, Groups, Opened, Remove, Scales,
};
use crate::format::zarr::{self, V2, V3, Zarr, create};
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
    zarr: &'static Zarr,
    about: &'static str,
    holds: &'static Holds,
    /// Whether what is of images stands in the member [`OME`] of the attributes, beside the version; or else among them,
    /// each with the version.
    is_nested: bool,
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
        labels: true,
        attributes: Some("ome"),
        key: true,
        ..of
    }
}

/// The member of the attributes of 0.5 that holds what those of 0.4 hold themselves.
const OME: &str = "ome";

impl OmeZarr {
    /// The members among which `multiscales` stands.
    fn members<'a>(&self, attributes: &'a Document) -> Option<&'a Map<String, Value>> {
        if self.is_nested { attributes.get(OME)?.as_object() } else { Some(attributes) }
    }

    /// The image whose attributes these are, if they are of one.
    fn parse(&self, attributes: &Document) -> Result<Option<Multiscale>> {
        let Some(members) = self.members(attributes) else { return Ok(None) };
        let Some(all) = members.get("multiscales") else { return Ok(None) };
        let labels = members.contains_key("image-label");
        let mut image = Multiscale::parse(all, labels)?;
        image.channels = channels(members.get("omero"));
        Ok(Some(image))
    }

    /// The image that is there, if there is one.
    fn find(&self, probe: &Probe) -> Result<Option<Multiscale>> {
        let Some(attributes) = self.zarr.group_attributes(probe)? else { return Ok(None) };
        self.parse(&attributes).map_err(|error| error.at(probe.store().location("")))
    }

    /// The image at the root of `store`, as it is now.
    fn image(&self, store: &Arc<dyn Store>) -> Result<Multiscale> {
        self.find(&self.zarr.probe(store)?)?.ok_or_else(none)
    }

    /// The scales of an image, and the array of each or why it cannot be opened.
    ///
    /// # Errors
    /// A storage error, which says nothing of what is stored.
    fn scales(&self, store: &dyn Store, image: &Multiscale) -> Result<Vec<(Scale, Result<Opened>)>> {
        let paths: Vec<String> = image.datasets.iter().map(|dataset| dataset.path.clone()).collect();
        let probes = Probe::read_each(store, &paths, self.zarr.keys())?;
        let one = |(dataset, probe): (&Dataset, &Probe)| match self.dataset(probe, image, dataset) {
            Ok(opened) => Ok((scale(image, dataset, &opened.layout), Ok(opened))),
            Err(error) if is_damage(&error) => Ok((lost(image, dataset)?, Err(error))),
            Err(error) => Err(error),
        };
        image.datasets.iter().zip(&probes).map(one).collect()
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
    fn opened(&self, store: &dyn Store, image: &Multiscale, selector: &ScaleSelector) -> Result<Opened> {
        let (scales, mut all): (Vec<_>, Vec<_>) = self.scales(store, image)?.into_iter().unzip();
        let position = selector.find(&scales)?;
        let opened = all.swap_remove(position)?;
        Ok(Opened { format: self.name(), scales, scale: position, ..opened })
    }

    /// Changes the image as `change` does with that which is there.
    fn change(
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
    fn create_scale(&self, store: &Arc<dyn Store>, spec: &CreateSpec, image: &Multiscale) -> Result<String> {
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

fn none() -> Error {
    Error::new(ErrorKind::NotFound, "there is no image here")
}

fn exists(path: &str) -> Error {
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
        resolution: Some(image.resolution(dataset)),
        positions: Some(image.positions(dataset, shape)),
        // Elements of images are never missing.
        fill_is_missing: false,
        ..layout
    })
}

/// What `omero` calls the channels; none unless it names all that it lists.
fn channels(omero: Option<&Value>) -> Vec<String> {
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

/// The dataset of `path` that `spec` describes.
fn new_dataset(spec: &CreateSpec, image: &Multiscale, path: String) -> Result<Dataset> {
    let ndim = image.axes.len();
    let said = |axis: usize| spec.array.axes.iter().flatten().find(|said| said.name == image.axes[axis].name);
    let usual = |axis: usize| said(axis).map_or(1.0, |said| said.scale);
    let mut size = spec.array.resolution.clone().unwrap_or_else(|| (0..ndim).map(usual).collect());
    // Given for the axes of space alone, they are theirs.
    let space: Vec<usize> = (0..ndim).filter(|&axis| image.is_space(axis)).collect();
    if size.len() == space.len() && size.len() < ndim {
        let mut all = vec![1.0; ndim];
        space.iter().zip(&size).for_each(|(&axis, &size)| all[axis] = size);
        size = all;
    }
    if size.len() != ndim || size.iter().any(|size| !(size.is_finite() && *size > 0.0)) {
        return Err(Error::invalid(format!("a resolution {size:?} of {ndim} axes")));
    }
    let mut scale = if spec.array.resolution.is_some() { image.scale(&size) } else { size };
    // Resolutions do not say those of time.
    for (axis, scale) in scale.iter_mut().enumerate().filter(|(_, scale)| **scale == 1.0) {
        if !image.is_space(axis) {
            *scale = usual(axis);
        }
    }
    let offset = |axis: usize| said(axis).map_or(0.0, |said| said.offset);
    let place = |(axis, &at): (usize, &i64)| (at as f64 + offset(axis)) * scale[axis];
    let translation = spec.array.domain.origin().iter().enumerate().map(place).collect();
    Ok(Dataset { path, scale, translation })
}

/// The members of attributes that are of images, as `like` gives and `create` takes them: those of 0.5, without what
/// is of the axes and scales.
fn take_members(attributes: &mut Map<String, Value>, is_nested: bool) -> Map<String, Value> {
    let mut members = match is_nested {
        true => attributes.remove(OME).and_then(|ome| ome.as_object().cloned()).unwrap_or_default(),
        false => ["multiscales", "omero", "image-label"]
            .into_iter()
            .filter_map(|name| attributes.remove(name).map(|value| (name.to_owned(), value)))
            .collect(),
    };
    members.remove("version");
    if let Some(image) = members.get_mut("multiscales").and_then(|all| all.get_mut(0)) {
        let mut image = image.as_object().cloned().unwrap_or_default();
        image.retain(|name, _| {
            !["axes", "datasets", "coordinateTransformations", "version"].contains(&name.as_str())
        });
        members.insert("multiscales".to_owned(), json!([image]));
    }
    for name in ["omero", "image-label"] {
        if let Some(member) = members.get_mut(name).and_then(Value::as_object_mut) {
            member.remove("version");
        }
    }
    members
}

/// The array of a scale, which itself knows neither place nor size.
fn array_spec(spec: &CreateSpec, image: &Multiscale) -> Result<CreateSpec> {
    let names = image.axes.iter().map(|axis| Some(axis.name.clone())).collect();
    let domain = Domain::from_shape(spec.array.domain.shape())?;
    let array = ArraySpec {
        dimension_names: Some(names),
        fill_value: spec.array.fill_value.clone(),
        ..ArraySpec::new(spec.array.dtype, domain)
    };
    Ok(CreateSpec { array, storage: StorageSpec { key: None, ..spec.storage.clone() } })
}

impl Format for OmeZarr {
    fn name(&self) -> &'static str {
        self.zarr.image_name()
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.zarr.schemes()
    }

    fn documents(&self) -> &'static [&'static str] {
        self.zarr.keys()
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let Some(image) = self.find(probe)? else { return Ok(None) };
        match &options.scale {
            // Labels and other arrays beside the scales.
            ScaleSelector::Key(key) if image.datasets.iter().all(|dataset| dataset.path != *key) => Ok(None),
            selector => self.opened(&**probe.store(), &image, selector).map(Some),
        }
    }

    fn problems(&self, probe: &Probe) -> Result<Vec<String>> {
        let Some(attributes) = self.zarr.group_attributes(probe)? else { return Ok(Vec::new()) };
        let all = self.members(&attributes).and_then(|members| members.get("multiscales"));
        Ok(all.map(multiscale::problems).unwrap_or_default())
    }

    fn creates(&self) -> Option<&dyn Create> {
        Some(self)
    }

    fn attributes(&self) -> Option<&dyn Attributes> {
        Some(self)
    }

    fn scales(&self) -> Option<&dyn Scales> {
        Some(self)
    }

    fn removes(&self) -> Option<&dyn Remove> {
        Some(self)
    }
}

/// Those of the group that is the image.
impl Attributes for OmeZarr {
    fn read(&self, probe: &Probe) -> Result<Option<Document>> {
        match self.find(probe)? {
            Some(_) => self.zarr.group_attributes(probe),
            None => Ok(None),
        }
    }

    fn change(&self, store: &Arc<dyn Store>, change: &ChangeAttributes<'_>) -> Result<()> {
        self.image(store)?;
        self.zarr.try_change_attributes(store, &|attributes| Ok(change(attributes)))
    }
}

impl Create for OmeZarr {
    fn holds(&self) -> &'static Holds {
        self.holds
    }

    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, _: &FormatOptions) -> Result<Opened> {
        let mut image = Multiscale::new(spec)?;
        let path = spec.storage.key.clone().unwrap_or_else(|| "0".to_owned());
        check_new_key(&path)?;
        let dataset = new_dataset(spec, &image, path.clone())?;
        image.datasets.push(dataset);
        let mut attributes = spec.array.attributes.clone().unwrap_or_default();
        let mut members = take_members(&mut attributes, true);
        let old = members.remove("multiscales");
        if self.is_nested {
            members.insert("version".to_owned(), json!("0.5"));
        }
        members.insert("multiscales".to_owned(), image.to_json(old.as_ref(), !self.is_nested));
        match image.labels {
            false => drop(members.remove("image-label")),
            true => {
                let label = members.entry("image-label").or_insert_with(|| json!({}));
                if let Some(label) = label.as_object_mut().filter(|_| !self.is_nested) {
                    label.insert("version".to_owned(), json!("0.4"));
                }
            }
        }
        match self.is_nested {
            true => drop(attributes.insert(OME.to_owned(), Value::Object(members))),
            false => attributes.extend(members),
        }
        // The array first: no reader finds a scale that is not there.
        if self.zarr.find(&self.zarr.probe(store)?)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is something here; remove it first"));
        }
        self.zarr.create_or_adopt(&store.child(&path)?, &array_spec(spec, &image)?, true)?;
        self.zarr.create_group(store, &attributes)?;
        self.opened(&**store, &image, &ScaleSelector::Index(0))
    }

    fn like(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let Some(opened) = self.open(probe, options)? else { return Ok(None) };
        let Some(image) = self.find(probe)? else { return Ok(None) };
        let scale = &opened.scales[opened.scale];
        let Some(dataset) = image.datasets.get(opened.scale) else { return Ok(None) };
        let mut attributes = self.zarr.group_attributes(probe)?.unwrap_or_default();
        let members = take_members(&mut attributes, self.is_nested);
        attributes.insert(OME.to_owned(), Value::Object(members));
        let own = self.zarr.array(&self.zarr.probe(&probe.store().child(&scale.key)?)?)?;
        let CreateSpec { array, mut storage } = create::like(&own)?;
        storage.key = Some(scale.key.clone()).filter(|key| check_new_key(key).is_ok());
        let array = ArraySpec {
            domain: opened.layout.domain().clone(),
            dimension_names: Some(opened.layout.dimension_names.to_vec()),
            resolution: scale.resolution.nanometres(|axis| image.is_space(axis)),
            labels: Some(scale.labels),
            axes: Some(image.axis_specs(dataset)),
            attributes: Some(attributes),
            ..array
        };
        Ok(Some(CreateSpec { array, storage }))
    }
}

impl Scales for OmeZarr {
    fn add_scale(&self, store: &Arc<dyn Store>, spec: &CreateSpec, _: &FormatOptions) -> Result<Opened> {
        spec.storage.key.as_deref().map_or(Ok(()), check_new_key)?;
        let volume = |dataset: &Dataset| dataset.scale.iter().product::<f64>();
        loop {
            let image = self.image(store)?;
            if spec.array.domain.ndim() != image.axes.len() {
                let (domain, ndim) = (&spec.array.domain, image.axes.len());
                return Err(Error::invalid(format!("box {domain} for an image of {ndim} axes")));
            }
            new_dataset(spec, &image, String::new())?;
            let path = self.create_scale(store, spec, &image)?;
            let added = self.change(store, |image| {
                if image.datasets.iter().any(|dataset| dataset.path == path) {
                    return Err(exists(&path));
                }
                let dataset = new_dataset(spec, image, path.clone())?;
                let at = image.datasets.iter().take_while(|known| volume(known) <= volume(&dataset)).count();
                image.datasets.insert(at, dataset);
                Ok(())
            });
            match added {
                // Somebody else was about to make the same array, and has listed it first.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && spec.storage.key.is_none() => {
                    continue;
                }
                added => added?,
            }
            let image = self.image(store)?;
            return self.opened(&**store, &image, &ScaleSelector::Key(path));
        }
    }
}

impl Remove for OmeZarr {
    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()> {
        let image = self.image(store)?;
        let Some(selector) = scale else {
            self.zarr.forget(store)?;
            if store.unlink("")? {
                return self.zarr.refresh(store);
            }
            self.zarr.remove_group(&**store)?;
            self.zarr.refresh(store)?;
            for dataset in &image.datasets {
                match self.zarr.remove(&store.child(&dataset.path)?, None) {
                    // Listed, and not there, or gone already.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    removed => removed?,
                }
            }
            store.tidy("");
            return Ok(());
        };
        let scales: Vec<Scale> = self.scales(&**store, &image)?.into_iter().map(|(scale, _)| scale).collect();
        let path = &image.datasets[selector.find(&scales)?].path;
        self.change(store, |image| {
            let gone = || Error::new(ErrorKind::NotFound, format!("scale {path:?} was removed meanwhile"));
            let position =
                image.datasets.iter().position(|dataset| dataset.path == *path).ok_or_else(gone)?;
            if image.datasets.len() == 1 {
                return Err(Error::invalid("this is the only scale of the image; remove the image instead"));
            }
            image.datasets.remove(position);
            Ok(())
        })?;
        self.zarr.remove(&store.child(path)?, None)
    }
}

impl Resolution {
    /// The unit of nanometres, as all formats here call it.
    pub(crate) fn unit_of(name: &str) -> String {
        if name == NANOMETRES { "nm".to_owned() } else { name.to_owned() }
    }
}
