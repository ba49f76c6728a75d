//! OME-Zarr as a format: opening, making and changing images.

use std::sync::Arc;

use serde_json::{Value, json};

use super::image::{OmeZarr, channels, exists};
use super::multiscale::{Dataset, Multiscale, OME};
use super::new::{array_spec, expect_same, new_dataset, take_members};
use super::rules;
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::document::Document;
use crate::format::holds::Holds;
use crate::format::place::check_new_key;
use crate::format::probe::Probe;
use crate::format::scale::{Scale, ScaleSelector};
use crate::format::spec::{ArraySpec, CreateSpec};
use crate::format::traits::{
    Abilities, Attributes, ChangeAttributes, Complete, Create, Format, FormatOptions, Groups, Opened, Remove,
    Scales,
};
use crate::format::zarr::create;
use crate::store::Store;

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
        let Some(image) = self.find(probe)? else {
            // An array in it is opened by its path.
            if !matches!(options.scale, ScaleSelector::Key(_)) {
                self.expect_one_image(probe)?;
            }
            return Ok(None);
        };
        match &options.scale {
            // Labels and other arrays beside the scales.
            ScaleSelector::Key(key) if image.datasets.iter().all(|dataset| dataset.path != *key) => Ok(None),
            selector => self.opened(&**probe.store(), &image, selector).map(Some),
        }
    }

    fn problems(&self, probe: &Probe) -> Result<Vec<String>> {
        let Some(attributes) = self.zarr.group_attributes(probe)? else { return Ok(Vec::new()) };
        let version = if self.is_nested { "0.5" } else { "0.4" };
        let mut found = self.members(&attributes).map(|members| rules::problems(members, version));
        if let (Some(found), Ok(Some(image))) = (&mut found, self.parse(&attributes)) {
            found.extend(self.contradictions(&**probe.store(), &image)?);
        }
        let mut found = found.unwrap_or_default();
        found.extend(self.absent(probe)?);
        Ok(found)
    }

    fn creates(&self) -> Option<&dyn Create> {
        Some(self)
    }

    fn completes(&self) -> Option<&dyn Complete> {
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
        image.channels = channels(members.get("omero"));
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
            labels: Some(scale.labels),
            axes: Some(image.axis_specs(dataset)),
            attributes: Some(attributes),
            ..array
        };
        let array = array.sized(image.said_resolution(dataset).as_ref(), |axis| image.is_space(axis));
        Ok(Some(CreateSpec { array, storage }))
    }
}

/// The array of a scale has the mark, so that it is not taken for complete when it is opened by its own path.
impl Complete for OmeZarr {
    fn complete(&self, store: &Arc<dyn Store>, scale: Option<&str>) -> Result<()> {
        self.zarr.complete(store, scale)
    }

    fn mark(&self, store: &Arc<dyn Store>, scale: &str) -> Result<()> {
        self.zarr.mark(store, scale)
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
            expect_same(spec, &image)?;
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

/// Of a scale that is listed and not there, or gone already, nothing is to be removed.
fn or_gone(done: Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

impl Remove for OmeZarr {
    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()> {
        let image = self.image(store)?;
        let Some(selector) = scale else {
            if store.unlink("")? {
                return self.zarr.refresh(store);
            }
            let scales = image.datasets.iter().map(|dataset| store.child(&dataset.path));
            let scales: Vec<Arc<dyn Store>> = scales.collect::<Result<_>>()?;
            scales.iter().try_for_each(|scale| or_gone(self.zarr.empty(scale)))?;
            // The first scale last: without it, nothing is found.
            scales.iter().rev().try_for_each(|scale| or_gone(self.zarr.remove(scale, None)))?;
            self.zarr.forget(store)?;
            self.zarr.remove_group(&**store)?;
            self.zarr.refresh(store)?;
            store.tidy("");
            return Ok(());
        };
        let scales: Vec<Scale> = self.scales(&**store, &image)?.into_iter().map(|(scale, _)| scale).collect();
        let path = &image.datasets[selector.find(&scales)?].path;
        if image.datasets.len() == 1 {
            return Err(Error::invalid("this is the only scale of the image; remove the image instead"));
        }
        or_gone(self.zarr.empty(&store.child(path)?))?;
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
