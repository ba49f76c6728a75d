//! Groups whose datasets `s0`, `s1` and so on are the scales of one image, the finest first.
//!
//! The group has the size of an element of `s0` as `pixelResolution` and what it is multiplied with at each scale
//! as `scales`; each scale also has the latter, as `downsamplingFactors`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::attributes::{self, numbers};
use super::dataset::{ATTRIBUTES, N5};
use super::resolution::{FACTORS, TRANSFORM, factors, of, own_size, resolution, times};
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::layout::Resolution;
use crate::format::document::{self, Document};
use crate::format::probe::Probe;
use crate::format::scale::{Scale, ScaleSelector};
use crate::format::spec::CreateSpec;
use crate::format::traits::Opened;
use crate::store::Store;

/// The most scales that are looked for.
const MOST_SCALES: usize = 64;

/// So many scales are asked for at once, if the group does not list more.
const USUAL_SCALES: usize = 8;

/// The member of a group that lists the factors of all scales.
const SCALES: &str = "scales";

fn path(level: usize) -> String {
    format!("s{level}")
}

/// The level of the scale at `path`; `None` if that is none of a scale.
fn level_of(path: &str) -> Option<usize> {
    path.strip_prefix('s')?.parse().ok()
}

/// Whether Paintera has the group for labels.
fn is_labels(group: &Document) -> bool {
    group.get("painteraData").and_then(|data| data.get("type")).is_some_and(|kind| kind == "label")
}

fn describe(level: usize, opened: &Opened, labels: bool) -> Scale {
    Scale {
        key: path(level),
        domain: opened.layout.domain().clone(),
        chunks: vec![opened.layout.grid.chunk_shape().into()],
        resolution: opened.layout.resolution.clone().unwrap_or_else(|| of(Vec::new(), String::new())),
        encoding: opened.layout.codecs.names().collect::<Vec<_>>().join(" + "),
        sharded: false,
        labels,
    }
}

fn none() -> Error {
    Error::new(ErrorKind::NotFound, "there is no group of scales here")
}

/// The size of an element of a scale: what it says of itself, or else that of the group times the factors of the scale,
/// which itself or the group says.
fn scale_resolution(group: &Document, own: &Document, level: usize, ndim: usize) -> Resolution {
    own_size(own, ndim).unwrap_or_else(|| {
        let of_group = || group.get(SCALES)?.get(level).and_then(numbers);
        let factors = factors(own, ndim).or_else(|| of_group().filter(|factors| factors.len() == ndim));
        let (size, unit) = resolution(group, ndim).unwrap_or_else(|| (vec![1.0; ndim], String::new()));
        of(times(size, factors), unit)
    })
}

/// Where COSEM's list of scales in a group says that the elements of the one at `path` are.
fn listed_transform<'a>(group: &'a Document, path: &str) -> Option<&'a Value> {
    let datasets = group.get("multiscales")?.get(0)?.get("datasets")?.as_array()?;
    datasets.iter().find(|dataset| dataset.get("path").is_some_and(|own| own == path))?.get(TRANSFORM)
}

/// A size in nanometres, if it is a length.
fn in_nanometres(size: &Resolution) -> Resolution {
    match size.nanometres(|_| true) {
        Some(lengths) => of(lengths, "nm".to_owned()),
        None => size.clone(),
    }
}

/// What the size of an element is multiplied with in the scale that `spec` describes: as the resolutions say, or
/// else the shapes.
fn new_factors(spec: &CreateSpec, finest: &Opened) -> Result<Vec<Value>> {
    let shape = finest.layout.domain().shape();
    if spec.array.domain.ndim() != shape.len() {
        return Err(Error::invalid(format!(
            "box {} for an image of {} axes",
            spec.array.domain,
            shape.len()
        )));
    }
    let by_shape = || {
        let pairs = shape.iter().zip(spec.array.domain.shape());
        pairs.map(|(&fine, &coarse)| (fine as f64 / coarse.max(1) as f64).round().max(1.0)).collect()
    };
    let base = finest.layout.resolution.as_ref().map(in_nanometres);
    if let (Some(unit), Some(base)) = (&spec.array.unit, &base)
        && *unit != base.unit
    {
        return Err(Error::invalid(format!(
            "unit: {unit:?}, but scales of this image are in {:?}",
            base.unit
        )));
    }
    let ratios: Vec<f64> = match (&spec.array.resolution, base) {
        (Some(size), Some(base)) if size.len() == shape.len() => {
            size.iter().zip(&base.size).map(|(size, base)| size / base).collect()
        }
        (Some(size), _) => {
            return Err(Error::invalid(format!("a resolution {size:?} of {} axes", shape.len())));
        }
        (None, _) => by_shape(),
    };
    if ratios.iter().any(|ratio| !(ratio.is_finite() && *ratio > 0.0)) {
        return Err(Error::invalid(format!("a resolution {:?}", spec.array.resolution)));
    }
    // As whole numbers where they are: other readers expect those.
    let json = |ratio: f64| match ratio.round() {
        whole if (ratio - whole).abs() < 1e-9 * ratio => json!(whole as u64),
        _ => json!(ratio),
    };
    Ok(ratios.into_iter().map(json).collect())
}

/// How many scales the group says that there are.
fn listed(group: &Document) -> usize {
    group.get(SCALES).and_then(Value::as_array).map_or(0, Vec::len)
}

/// What is where scales may be: of those that the group lists, the next, and others, all asked for at once.
fn levels(store: &dyn Store, group: &Document) -> Result<Vec<Probe>> {
    let mut probes: Vec<Probe> = Vec::new();
    let mut count = USUAL_SCALES.max(listed(group) + 1);
    while probes.len() < MOST_SCALES {
        let paths: Vec<String> = (probes.len()..count.min(MOST_SCALES)).map(path).collect();
        probes.extend(Probe::read_each(store, &paths, &[ATTRIBUTES])?);
        match probes.last() {
            Some(last) if last.has(ATTRIBUTES)? => count *= 2,
            _ => break,
        }
    }
    Ok(probes)
}

impl N5 {
    /// The scales of the group in `store`, which end where there is no dataset.
    fn scales(self, store: &dyn Store, group: &Document) -> Result<Vec<Opened>> {
        let probes = levels(store, group)?;
        let all = probes.iter().enumerate();
        all.map_while(|(level, probe)| self.level(probe, group, level).transpose()).collect()
    }

    /// A scale of a group, if there is a dataset.
    fn level(self, probe: &Probe, group: &Document, level: usize) -> Result<Option<Opened>> {
        let Some((mut document, dataset)) = self.dataset(probe)? else { return Ok(None) };
        if let Some(transform) = listed_transform(group, &path(level)) {
            document.entry(TRANSFORM.to_owned()).or_insert(transform.clone());
        }
        let mut opened = self.opened(&document, &dataset, Arc::clone(probe.store()))?;
        opened.layout.resolution = Some(scale_resolution(group, &document, level, dataset.shape.len()));
        Ok(Some(opened))
    }

    /// As [`N5::level`], of what is there now.
    fn level_now(self, store: &dyn Store, group: &Document, level: usize) -> Result<Option<Opened>> {
        self.level(&Probe::read(&store.child(&path(level))?, [ATTRIBUTES])?, group, level)
    }

    /// The scales of the group in `store` that can be opened, up to one that cannot.
    fn whole_scales(self, store: &dyn Store, group: &Document) -> Result<Vec<Opened>> {
        let mut all = Vec::new();
        for (level, probe) in levels(store, group)?.iter().enumerate() {
            match self.level(probe, group, level) {
                Ok(Some(opened)) => all.push(opened),
                Ok(None) => break,
                // The others are as good as they were.
                Err(error) if level > 0 && error.kind() == ErrorKind::InvalidMetadata => break,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// What scales the group in `store` lists that cannot be opened.
    pub(super) fn lost_scales(self, store: &dyn Store, group: &Document) -> Result<Vec<String>> {
        let paths: Vec<String> = (0..listed(group).min(MOST_SCALES)).map(path).collect();
        let mut lost = Vec::new();
        for (level, probe) in Probe::read_each(store, &paths, &[ATTRIBUTES])?.iter().enumerate() {
            match self.level(probe, group, level) {
                Ok(Some(_)) => {}
                Ok(None) => lost.push(format!("scales: {} is listed, but there is no dataset", path(level))),
                Err(error) if error.kind() == ErrorKind::InvalidMetadata => {
                    lost.push(format!("scales: {} cannot be opened: {error}", path(level)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(lost)
    }

    /// Opens a scale of a group, or another dataset in it by its path.
    pub(super) fn open_group(
        self,
        store: &dyn Store,
        group: &Document,
        selector: &ScaleSelector,
    ) -> Result<Opened> {
        let asked = match selector {
            ScaleSelector::Key(path) => level_of(path),
            _ => None,
        };
        if let (ScaleSelector::Key(path), None) = (selector, asked) {
            let child = store.child(path)?;
            if let Some((document, dataset)) = self.dataset(&Probe::read(&child, [ATTRIBUTES])?)? {
                return self.opened(&document, &dataset, child).map(|opened| opened.member(path));
            }
        }
        let mut all = self.whole_scales(store, group)?;
        if asked == Some(all.len()) {
            // Says why, if it is damaged.
            self.level_now(store, group, all.len())?;
        }
        if all.is_empty() {
            let message = "this is a group, not a dataset: open one by its path, or as a scale; it has no s0";
            return Err(Error::invalid(message));
        }
        let labels = is_labels(group);
        let scales: Vec<Scale> =
            all.iter().enumerate().map(|(level, one)| describe(level, one, labels)).collect();
        let position = selector.find(&scales)?;
        let opened = all.swap_remove(position);
        Ok(Opened { scales, scale: position, ..opened })
    }

    /// Creates a group with its first scale, which `spec` has as key.
    pub(super) fn create_scales(self, store: &Arc<dyn Store>, spec: &CreateSpec) -> Result<Opened> {
        if store.exists(ATTRIBUTES)? {
            let message = "there is something here; remove it first";
            return Err(Error::new(ErrorKind::AlreadyExists, message).at(store.location(ATTRIBUTES)));
        }
        let ndim = spec.array.domain.ndim();
        let mut group = attributes::group(spec.array.attributes.as_ref());
        group.extend(attributes::size(spec).map(|size| ("pixelResolution".to_owned(), size)));
        if resolution(&group, ndim).is_none() && spec.array.resolution.is_some() {
            return Err(Error::invalid(format!("a resolution {:?} of {ndim} axes", spec.array.resolution)));
        }
        group.insert(SCALES.to_owned(), json!([vec![1; ndim]]));
        // The dataset first: no reader finds a group without scale.
        self.create_level(store, spec, 0, vec![json!(1); ndim], true)?;
        document::create(&**store, ATTRIBUTES, &group)?;
        self.open_group(&**store, &group, &ScaleSelector::Index(0))
    }

    /// Adds the next scale to a group.
    pub(super) fn add_to_scales(self, store: &Arc<dyn Store>, spec: &CreateSpec) -> Result<Opened> {
        loop {
            let group = document::read(&**store, ATTRIBUTES)?.ok_or_else(none)?;
            let all = self.scales(&**store, &group)?;
            let finest = all.first().ok_or_else(none)?;
            if spec.array.dtype != finest.layout.dtype {
                let message =
                    format!("a scale of {} in an image of {}", spec.array.dtype, finest.layout.dtype);
                return Err(Error::invalid(message));
            }
            let (level, factors) = (all.len(), new_factors(spec, finest)?);
            match self.create_level(store, spec, level, factors, false) {
                // Somebody else was first: if only the next will do, it is the one behind.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && spec.storage.key.is_none() => {
                    // What is no dataset, but blocks, is there for good.
                    if self.level_now(&**store, &group, level)?.is_none() {
                        return Err(error);
                    }
                }
                created => {
                    created?;
                    self.list_scales(&**store)?;
                    return self.open_group(&**store, &group, &ScaleSelector::Index(level));
                }
            }
        }
    }

    /// Has the group list the factors of all scales that there are, if it lists any. Nobody but who makes or removes
    /// a scale can keep the list true: so each looks afterwards whether it still is, and the last sees all.
    fn list_scales(self, store: &dyn Store) -> Result<()> {
        loop {
            let all = self.all_factors(store)?;
            document::change(store, ATTRIBUTES, |old| {
                let mut group = old.ok_or_else(none)?;
                if let Some(list) = group.get_mut(SCALES).and_then(Value::as_array_mut) {
                    let known = std::mem::take(list);
                    let of_level =
                        |(level, own): (usize, &Option<Value>)| own.clone().or(known.get(level).cloned());
                    list.extend(all.iter().enumerate().map_while(of_level));
                }
                Ok(Some(group))
            })?;
            if self.all_factors(store)? == all {
                return Ok(());
            }
        }
    }

    /// What each scale there is says of its own factors.
    fn all_factors(self, store: &dyn Store) -> Result<Vec<Option<Value>>> {
        let own = |level| {
            let found = document::read(&*store.child(&path(level))?, ATTRIBUTES)?;
            let dataset = found.filter(|document| document.contains_key("dimensions"));
            Ok(dataset.map(|mut document| document.remove(FACTORS)))
        };
        (0..MOST_SCALES).map_while(|level| own(level).transpose()).collect()
    }

    /// Creates the dataset of a scale.
    fn create_level(
        self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        level: usize,
        factors: Vec<Value>,
        adopts: bool,
    ) -> Result<()> {
        let path = path(level);
        if spec.storage.key.as_ref().is_some_and(|key| *key != path) {
            return Err(Error::invalid(format!("scales of N5 are named in turn: this one is {path:?}")));
        }
        let own = [(FACTORS.to_owned(), Value::Array(factors))];
        let mut dataset = spec.clone();
        (dataset.array.resolution, dataset.storage.key) = (None, None);
        dataset.array.attributes = Some(own.into_iter().collect());
        self.create_dataset(&store.child(&path)?, &dataset, adopts).map(drop)
    }

    /// Removes the last scale of the group in `store`, or with `None` the group's attributes and all scales.
    pub(super) fn remove_scales(self, store: &dyn Store, scale: Option<&ScaleSelector>) -> Result<()> {
        let group = document::read(store, ATTRIBUTES)?.ok_or_else(none)?;
        let count = self.scales(store, &group)?.len();
        let Some(selector) = scale else {
            // A removal that was killed at its very end leaves the list of scales.
            if count == 0 && !group.contains_key(SCALES) {
                return Err(none());
            }
            if store.unlink("")? {
                return Ok(());
            }
            (0..count).try_for_each(|level| self.empty_level(store, level).map(drop))?;
            (0..count).rev().try_for_each(|level| self.remove_level(store, level))?;
            document::take(store, ATTRIBUTES)?;
            store.tidy("");
            return Ok(());
        };
        let level = self.open_group(store, &group, selector)?.scale;
        if count < 2 || level + 1 != count {
            return Err(Error::invalid("the last of several scales can be removed, or the whole image"));
        }
        self.remove_level(store, level)?;
        self.list_scales(store)
    }

    /// Removes the blocks of a level, and leaves its metadata; of one that is a link, the link. Returns the level if it
    /// is there still.
    fn empty_level(self, store: &dyn Store, level: usize) -> Result<Option<Arc<dyn Store>>> {
        let child: Arc<dyn Store> = store.child(&path(level))?;
        let Some((_, dataset)) = self.dataset(&Probe::read(&child, [ATTRIBUTES])?)? else { return Ok(None) };
        if child.unlink("")? {
            return Ok(None);
        }
        self.remove_blocks(&*child, dataset.shape.len(), |_| true)?;
        Ok(Some(child))
    }

    fn remove_level(self, store: &dyn Store, level: usize) -> Result<()> {
        if let Some(child) = self.empty_level(store, level)? {
            document::take(&*child, ATTRIBUTES)?;
            child.tidy("");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::traits::FormatOptions;
    use crate::{Array, DataType, Domain, OpenOptions, format};

    fn spec(shape: &[u64], resolution: Option<&[f64]>) -> CreateSpec {
        let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(shape).unwrap());
        spec.array.resolution = resolution.map(<[f64]>::to_vec);
        spec.storage.chunk_shape = Some(vec![4; shape.len()]);
        spec
    }

    fn sizes(array: &Array) -> Vec<Vec<f64>> {
        array.scales().iter().map(|scale| scale.resolution.size.to_vec()).collect()
    }

    #[test]
    fn images_gain_and_lose_scales() {
        let (url, n5) = ("memory://n5-image", OpenOptions::new().format("n5"));
        let mut first = spec(&[9, 8], Some(&[4.0, 40.0]));
        first.storage.key = Some("s0".to_owned());
        first.array.attributes = Some([("mine".to_owned(), json!(1))].into_iter().collect());
        assert_eq!(n5.create(url, &first).unwrap().scale(), 0);
        let kind = n5.create(url, &first).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::AlreadyExists);
        n5.add_scale(url, &spec(&[5, 8], Some(&[8.0, 40.0]))).unwrap();
        let array = n5.add_scale(url, &spec(&[3, 4], None)).unwrap();
        assert_eq!((array.scale(), array.shape()), (2, &[3, 4][..]));
        assert_eq!(sizes(&array), [[4.0, 40.0], [8.0, 40.0], [12.0, 80.0]]);
        let options = FormatOptions::default();
        let group = Value::Object(format::attributes(url, &options).unwrap());
        assert_eq!((&group["scales"], &group["mine"]), (&json!([[1, 1], [2, 1], [3, 2]]), &json!(1)));
        let own = format::attributes(&format!("{url}/s1"), &options).unwrap();
        assert_eq!(own[FACTORS], json!([2, 1]));

        assert!(format::remove(url, Some(&ScaleSelector::Index(1)), &options).is_err());
        format::remove(url, Some(&ScaleSelector::Index(2)), &options).unwrap();
        assert_eq!(OpenOptions::new().open(url).unwrap().scales().len(), 2);
        format::remove(url, None, &options).unwrap();
        let store = crate::store::open(url, &options.store).unwrap();
        store.list("", &mut |key, _| panic!("{key} is left")).unwrap();
    }

    #[test]
    fn scales_that_do_not_fit_are_refused() {
        let (url, n5) = ("memory://n5-misfits", OpenOptions::new().format("n5"));
        let mut first = spec(&[9, 8], None);
        first.storage.key = Some("s1".to_owned());
        assert!(n5.create(url, &first).unwrap_err().to_string().contains("s0"));
        first.storage.key = Some("s0".to_owned());
        n5.create(url, &first).unwrap();
        let (mut other_type, mut other_key) = (spec(&[5, 4], None), spec(&[5, 4], None));
        other_type.array.dtype = DataType::U16;
        other_key.storage.key = Some("s3".to_owned());
        for bad in [
            spec(&[5], None),
            spec(&[5, 4], Some(&[2.0])),
            spec(&[5, 4], Some(&[2.0, f64::NAN])),
            other_type,
            other_key,
        ] {
            assert_eq!(n5.add_scale(url, &bad).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        assert_eq!(sizes(&n5.add_scale(url, &spec(&[5, 4], None)).unwrap())[1], [2.0, 2.0]);
    }
}
