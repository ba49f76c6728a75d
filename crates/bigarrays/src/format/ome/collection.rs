//! Groups of several images: plates, their wells, roots that bioformats2raw makes, and labels.
//!
//! <https://ngff.openmicroscopy.org/0.5/index.html#hcs-layout>

use std::sync::Arc;

use serde_json::{Map, Value};

use super::image::OmeZarr;
use crate::base::error::{Error, Result};
use crate::format::probe::Probe;
use crate::store::Store;

/// So many images are named, and so many wells are asked for theirs.
const SHOWN: usize = 10;

/// The member of a root that bioformats2raw makes.
const ROOT: &str = "bioformats2raw.layout";

/// The group in which such a root lists its images.
const SERIES: &str = "OME";

impl OmeZarr {
    /// An error that says of which images the group is that `probe` has found, if it is one of several.
    pub(super) fn expect_one_image(&self, probe: &Probe) -> Result<()> {
        let Some(attributes) = self.zarr.group_attributes(probe)? else { return Ok(()) };
        let Some(members) = self.members(&attributes) else { return Ok(()) };
        let store = probe.store();
        let (what, images) = if let Some(plate) = members.get("plate") {
            let wells = paths(plate.get("wells"));
            (format!("a plate of {} wells", wells.len()), self.of_wells(store, &wells)?)
        } else if let Some(well) = members.get("well") {
            ("a well of a plate".to_owned(), paths(well.get("images")))
        } else if members.contains_key(ROOT) {
            ("a root of several images, as bioformats2raw makes it".to_owned(), self.of_root(store)?)
        } else if let Some(labels) = members.get("labels").filter(|labels| labels.is_array()) {
            ("a group of labels".to_owned(), paths(Some(labels)))
        } else {
            return Ok(());
        };
        let named = match &images[..] {
            [] => "; no image was found in it".to_owned(),
            images => {
                let shown = images.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = if images.len() > SHOWN { ", …" } else { "" };
                format!(": open one of its images by its path, which are {shown}{more}")
            }
        };
        Err(Error::invalid(format!("this is {what}, not an image{named}")))
    }

    /// What the group that `probe` has found lists and does not have: a problem for each well, image or label.
    pub(super) fn absent(&self, probe: &Probe) -> Result<Vec<String>> {
        let attributes = self.zarr.group_attributes(probe)?.unwrap_or_default();
        let Some(members) = self.members(&attributes) else { return Ok(Vec::new()) };
        let store = probe.store();
        let (member, listed) = if let Some(plate) = members.get("plate") {
            ("plate", paths(plate.get("wells")))
        } else if let Some(well) = members.get("well") {
            ("well", paths(well.get("images")))
        } else if members.contains_key(ROOT) {
            let series = self.zarr.probe(&store.child(SERIES)?)?;
            ("series", self.listed(&series, |members| members.get("series").cloned())?)
        } else {
            ("labels", paths(members.get("labels").filter(|labels| labels.is_array())))
        };
        let mut absent = Vec::new();
        for (path, probe) in listed.iter().zip(Probe::read_each(&**store, &listed, self.zarr.keys())?) {
            if self.zarr.group_attributes(&probe)?.is_none() {
                absent.push(format!("{member}: {path} is listed, and is not there"));
            }
        }
        Ok(absent)
    }

    /// The images of the first wells of a plate.
    fn of_wells(&self, store: &Arc<dyn Store>, wells: &[String]) -> Result<Vec<String>> {
        let wells = &wells[..wells.len().min(SHOWN + 1)];
        let mut images = Vec::new();
        for (well, probe) in wells.iter().zip(Probe::read_each(&**store, wells, self.zarr.keys())?) {
            let listed = self.listed(&probe, |members| members.get("well")?.get("images").cloned())?;
            images.extend(listed.into_iter().map(|image| format!("{well}/{image}")));
        }
        Ok(images)
    }

    /// The images that a root lists, or else those that are numbered in turn.
    fn of_root(&self, store: &Arc<dyn Store>) -> Result<Vec<String>> {
        let series = self.zarr.probe(&store.child(SERIES)?)?;
        let listed = self.listed(&series, |members| members.get("series").cloned())?;
        if !listed.is_empty() {
            return Ok(listed);
        }
        let numbers: Vec<String> = (0..=SHOWN).map(|number| number.to_string()).collect();
        let mut images = Vec::new();
        for (number, probe) in numbers.iter().zip(Probe::read_each(&**store, &numbers, self.zarr.keys())?) {
            match self.zarr.group_attributes(&probe)? {
                Some(_) => images.push(number.clone()),
                None => break,
            }
        }
        Ok(images)
    }

    /// The paths in the list that `find` finds among the members of the group that `probe` has found.
    fn listed(
        &self,
        probe: &Probe,
        find: impl Fn(&Map<String, Value>) -> Option<Value>,
    ) -> Result<Vec<String>> {
        let attributes = self.zarr.group_attributes(probe)?.unwrap_or_default();
        Ok(paths(self.members(&attributes).and_then(find).as_ref()))
    }
}

/// The paths in a list of paths, or of objects that have one.
fn paths(list: Option<&Value>) -> Vec<String> {
    let path = |entry: &Value| entry.as_str().or_else(|| entry.get("path")?.as_str()).map(str::to_owned);
    list.and_then(Value::as_array).into_iter().flatten().filter_map(path).collect()
}
