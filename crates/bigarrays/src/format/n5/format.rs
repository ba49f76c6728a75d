//! N5 as a format: what is asked of every format, in terms of datasets and groups of scales.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::attributes::{self, RESERVED};
use super::dataset::{ATTRIBUTES, N5, NAME};
use super::resolution::{FACTORS, TRANSFORM};
use crate::base::buffer::Order;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::layout::Positions;
use crate::format::axis::AxisSpec;
use crate::format::document::{self, Document};
use crate::format::holds::{Codecs, Holds, Names, Sizes};
use crate::format::probe::Probe;
use crate::format::scale::ScaleSelector;
use crate::format::spec::{ArraySpec, CreateSpec, StorageSpec};
use crate::format::traits::{
    Abilities, Attributes, ChangeAttributes, Complete, Create, Format, FormatOptions, Groups, Node, Opened,
    Remove, Resize, Scales,
};
use crate::format::{compression, incomplete, walk};
use crate::store::Store;

/// Members about sizes of elements, which are written from what they mean.
const SIZES: [&str; 5] = ["pixelResolution", "resolution", "units", FACTORS, TRANSFORM];

impl Format for N5 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "N5 dataset, or group of the scales s0, s1, …"
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["n5"]
    }

    fn documents(&self) -> &'static [&'static str] {
        &[ATTRIBUTES]
    }

    fn order(&self) -> Order {
        Order::Fortran
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let store = probe.store();
        let Some(document) = probe.document(ATTRIBUTES)? else { return Ok(None) };
        let parsed = attributes::parse(&document).map_err(|error| error.at(store.location(ATTRIBUTES)))?;
        match parsed {
            Some(dataset) => self.opened(&document, &dataset, Arc::clone(store)).map(Some),
            None => self.open_group(&**store, &document, &options.scale).map(Some),
        }
    }

    fn problems(&self, probe: &Probe) -> Result<Vec<String>> {
        match probe.document(ATTRIBUTES)? {
            Some(group) => self.lost_scales(&**probe.store(), &group),
            None => Ok(Vec::new()),
        }
    }

    fn creates(&self) -> Option<&dyn Create> {
        Some(self)
    }

    fn completes(&self) -> Option<&dyn Complete> {
        Some(self)
    }

    fn scales(&self) -> Option<&dyn Scales> {
        Some(self)
    }

    fn removes(&self) -> Option<&dyn Remove> {
        Some(self)
    }

    fn resizes(&self) -> Option<&dyn Resize> {
        Some(self)
    }

    fn groups(&self) -> Option<&dyn Groups> {
        Some(self)
    }

    fn attributes(&self) -> Option<&dyn Attributes> {
        Some(self)
    }
}

/// Where the first element lies, in elements; `None` if that is at zero.
fn origin(places: &[Positions]) -> Option<Vec<i64>> {
    let origin: Vec<i64> =
        places.iter().map(|axis| (axis.start / axis.step).round_ties_even() as i64).collect();
    origin.iter().any(|&at| at != 0).then_some(origin)
}

/// How far elements are beyond whole numbers of elements; `None` if they are not.
fn axes(places: &[Positions], names: &[String]) -> Option<Vec<AxisSpec>> {
    let one = |(place, name): (&Positions, &String)| {
        let at = place.start / place.step;
        AxisSpec {
            name: name.clone(),
            kind: Some("space".to_owned()),
            unit: place.unit.clone(),
            scale: place.step,
            offset: at - at.round_ties_even(),
        }
    };
    let axes: Vec<AxisSpec> = places.iter().zip(names).map(one).collect();
    axes.iter().any(|axis| axis.offset.abs() > 1e-9).then_some(axes)
}

/// What datasets of N5 hold, and groups of them as scales.
const HOLDS: Holds = Holds {
    dialect: NAME,
    understood_attributes: &[
        "axes",
        "downsamplingFactors",
        "n5",
        "pixelResolution",
        "resolution",
        "scales",
        "transform",
        "units",
    ],
    dimension_names: Names::AllOrNone,
    resolution: Sizes::All,
    unit: true,
    attributes: Some(NAME),
    reserved_attributes: &RESERVED,
    chunks: true,
    encodings: &attributes::ENCODINGS,
    codecs: Codecs::Compression(says),
    key: true,
    first_key: Some("s0"),
    ..Holds::PLAIN
};

/// Whether N5 has words for `codecs`, which are listed as in Zarr 3, of elements of `dtype`.
fn says(codecs: &Value, dtype: DataType, _: usize) -> bool {
    compression::to_n5(codecs, dtype).is_some()
}

impl Create for N5 {
    fn holds(&self) -> &'static Holds {
        &HOLDS
    }

    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, _: &FormatOptions) -> Result<Opened> {
        match &spec.storage.key {
            Some(_) => self.create_scales(store, spec),
            None => self.create_dataset(store, spec, false),
        }
    }

    fn like(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let Some(opened) = self.open(probe, options)? else { return Ok(None) };
        let Some(document) = document::read(&*opened.store, ATTRIBUTES)? else { return Ok(None) };
        let (encoding, level) = attributes::encoding(&document, opened.layout.dtype);
        let said = document.get("compression");
        let codecs = said.and_then(|said| compression::of_n5(said, opened.layout.dtype));
        let is_said = |name: &str| name == "axes" || RESERVED.contains(&name) || SIZES.contains(&name);
        let mut attributes = incomplete::bare(document);
        attributes.retain(|name, _| !is_said(name));
        let CreateSpec { array, storage } = CreateSpec::of(&opened.layout);
        let places = opened.layout.positions.as_deref().unwrap_or_default();
        let (origin, axes) = (origin(places), axes(places, &opened.layout.axis_names));
        let array = ArraySpec { origin, axes, attributes: Some(attributes), ..array };
        Ok(Some(CreateSpec {
            array: array.sized(opened.layout.resolution.as_ref(), |_| true),
            storage: StorageSpec { encoding, level, codecs, ..storage },
        }))
    }
}

impl Complete for N5 {
    fn complete(&self, store: &Arc<dyn Store>, scale: Option<&str>) -> Result<()> {
        let store = scale.map_or_else(|| Ok(Arc::clone(store)), |path| store.child(path))?;
        let gone = || Error::new(ErrorKind::NotFound, "it was removed meanwhile");
        document::change(&*store, ATTRIBUTES, |old| old.ok_or_else(gone).map(incomplete::bare).map(Some))
    }

    fn mark(&self, store: &Arc<dyn Store>, scale: &str) -> Result<()> {
        let gone = || Error::new(ErrorKind::NotFound, "it was removed meanwhile");
        document::change(&*store.child(scale)?, ATTRIBUTES, |old| {
            let mut document = old.ok_or_else(gone)?;
            incomplete::mark(&mut document, true);
            Ok(Some(document))
        })
    }
}

impl Scales for N5 {
    /// The names of scales are their numbers.
    fn removes_the_last(&self) -> bool {
        true
    }

    fn add_scale(&self, store: &Arc<dyn Store>, spec: &CreateSpec, _: &FormatOptions) -> Result<Opened> {
        self.add_to_scales(store, spec)
    }
}

impl Remove for N5 {
    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()> {
        let probe = Probe::read(store, [ATTRIBUTES])?;
        let dataset = self.dataset(&probe)?.filter(|_| scale.is_none());
        let Some((_, dataset)) = dataset else { return self.remove_scales(&**store, scale) };
        if store.unlink("")? {
            return Ok(());
        }
        self.remove_blocks(&**store, dataset.shape.len(), |_| true)?;
        document::take(&**store, ATTRIBUTES)?;
        store.tidy("");
        Ok(())
    }
}

impl Resize for N5 {
    fn resize(&self, store: &Arc<dyn Store>, shape: &[u64]) -> Result<()> {
        let none = || Error::new(ErrorKind::NotFound, "there is no dataset here");
        let resized = |old: Option<Document>| {
            let mut document = old.ok_or_else(none)?;
            let before = attributes::parse(&document)?.ok_or_else(none)?;
            if shape.len() != before.shape.len() {
                return Err(Error::invalid(format!(
                    "{} lengths for {} axes",
                    shape.len(),
                    before.shape.len()
                )));
            }
            Domain::from_shape(shape)?;
            document.insert("dimensions".to_owned(), json!(shape));
            Ok((before, document))
        };
        let (before, _) = resized(document::read(&**store, ATTRIBUTES)?)?;
        if before.shape.iter().zip(shape).any(|(old, new)| old > new) {
            let is_outside = |index: &[u64]| {
                let mut axes = index.iter().zip(&before.block).zip(shape);
                axes.any(|((&at, &block), &length)| at >= length.div_ceil(block))
            };
            self.remove_blocks(&**store, shape.len(), is_outside)?;
        }
        document::change(&**store, ATTRIBUTES, |old| resized(old).map(|(_, document)| Some(document)))
    }
}

impl Groups for N5 {
    fn list(&self, probe: &Probe) -> Result<Option<Vec<Node>>> {
        let Some(document) = probe.document(ATTRIBUTES)? else { return Ok(None) };
        if document.contains_key("dimensions") {
            return Ok(None);
        }
        let kind = |store: &dyn Store| {
            let document = document::read(store, ATTRIBUTES)?;
            Ok(document.map(|document| document.contains_key("dimensions")))
        };
        walk::nodes(&**probe.store(), usize::MAX, &kind).map(|(nodes, _)| Some(nodes))
    }

    fn create_group(&self, store: &Arc<dyn Store>, attributes: &Document) -> Result<()> {
        document::create(&**store, ATTRIBUTES, &attributes::group(Some(attributes)))
    }
}

impl Attributes for N5 {
    fn read(&self, probe: &Probe) -> Result<Option<Document>> {
        let found = probe.document(ATTRIBUTES)?;
        Ok(found.map(|mut document| {
            document.retain(|name, _| !RESERVED.contains(&name.as_str()));
            incomplete::bare(document)
        }))
    }

    fn change(&self, store: &Arc<dyn Store>, change: &ChangeAttributes<'_>) -> Result<()> {
        document::change(&**store, ATTRIBUTES, |old| {
            let none = || Error::new(ErrorKind::NotFound, "there is nothing here");
            let is_reserved = |name: &String| RESERVED.contains(&name.as_str());
            let mut old = old.ok_or_else(none)?;
            let mark = incomplete::take(&mut old);
            let parts = old.into_iter().partition(|(name, _)| is_reserved(name));
            let (mut document, user): (Document, Map<String, Value>) = parts;
            document.extend(change(user).into_iter().filter(|(name, _)| !is_reserved(name)));
            incomplete::put(&mut document, mark);
            Ok(Some(document))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::n5::check_attributes;
    use crate::format::n5::resolution::resolution;
    use crate::{OpenOptions, format, ndarray};

    fn create(url: &str, shape: &[u64], encoding: &str) -> crate::Array {
        let mut spec = CreateSpec::new(DataType::I16, Domain::from_shape(shape).unwrap());
        spec.storage.chunk_shape = Some(vec![4; shape.len()]);
        spec.storage.encoding = Some(encoding.to_owned());
        spec.array.attributes = Some([("mine".to_owned(), json!(1))].into_iter().collect());
        OpenOptions::new().format("n5").create(url, &spec).unwrap()
    }

    #[test]
    fn datasets_come_back_in_every_compression() {
        for encoding in ["raw", "gzip", "bzip2", "xz", "lz4", "zstd", "blosc"] {
            let url = format!("memory://n5-{encoding}");
            let array = create(&url, &[7, 9], encoding);
            let data = ndarray::Array2::from_shape_fn((6, 8), |(x, y)| (100 * x + y) as i16);
            array.write(&[1, 1], data.view()).unwrap();
            let again = OpenOptions::new().open(&url).unwrap();
            assert_eq!((again.format(), &again.axis_names()[..]), ("n5", &["x", "y"][..]));
            assert_eq!(again.read::<i16>(&"1:7,1:9".parse().unwrap()).unwrap().data(), data.into_dyn());
            assert_eq!(again.get::<i16>(&[0, 3]).unwrap(), 0);
            format::update_attributes(
                &url,
                &json!({"more": 2}).as_object().unwrap().clone(),
                &FormatOptions::default(),
            )
            .unwrap();
            let attributes = format::attributes(&url, &FormatOptions::default()).unwrap();
            assert_eq!(Value::Object(attributes), json!({"mine": 1, "more": 2}));
            OpenOptions::new().resize(&url, &[3, 9]).unwrap();
            assert_eq!(OpenOptions::new().open(&url).unwrap().shape(), [3, 9]);
            format::remove(&url, None, &FormatOptions::default()).unwrap();
            assert!(OpenOptions::new().open(&url).is_err());
        }
    }

    #[test]
    fn edge_blocks_survive_a_change_of_shape() {
        let url = "memory://n5-edges";
        create(url, &[5], "gzip").write(&[0], ndarray::Array1::from_elem(5, 7i16).view()).unwrap();
        for (length, sum) in [(7, 35), (6, 35), (5, 35), (8, 35)] {
            OpenOptions::new().resize(url, &[length]).unwrap();
            let array = OpenOptions::new().open(url).unwrap();
            assert_eq!(array.read::<i16>(array.domain()).unwrap().data().iter().sum::<i16>(), sum);
        }
        let array = OpenOptions::new().open(url).unwrap();
        array.write(&[7], ndarray::Array1::from_elem(1, 1i16).view()).unwrap();
        assert_eq!(array.read::<i16>(array.domain()).unwrap().data().iter().sum::<i16>(), 36);
    }

    #[test]
    fn groups_of_scales() {
        let root = "memory://n5-scales";
        let attributes = json!({"pixelResolution": {"dimensions": [4, 40], "unit": "nm"}});
        let options = FormatOptions { format: Some("n5".into()), ..FormatOptions::default() };
        format::create_group(root, attributes.as_object().unwrap(), &options).unwrap();
        for (level, shape) in [[8, 8], [4, 8]].iter().enumerate() {
            let url = format!("{root}/s{level}");
            create(&url, shape, "raw");
            let factors = json!({"downsamplingFactors": [1 << level, 1]});
            format::update_attributes(&url, factors.as_object().unwrap(), &FormatOptions::default()).unwrap();
        }
        let array = OpenOptions::new().scale("s1").open(root).unwrap();
        assert_eq!((array.scales().len(), array.shape()), (2, &[4, 8][..]));
        assert_eq!(array.resolution().unwrap().size[..], [8.0, 40.0]);
        assert_eq!(OpenOptions::new().open(&format!("{root}/s0")).unwrap().shape(), [8, 8]);
        create(&format!("{root}/seg"), &[3], "raw");
        let nodes = format::list(root, &FormatOptions::default()).unwrap();
        assert_eq!(nodes.iter().map(|node| node.path.as_str()).collect::<Vec<_>>(), ["s0", "s1", "seg"]);
        let other = OpenOptions::new().scale("seg").open(root).unwrap();
        assert_eq!((other.shape(), other.scales()[0].key.as_str()), (&[3][..], "seg"));
    }

    #[test]
    fn sizes_are_of_one_unit() {
        let read = |units| resolution(json!({"resolution": [4, 5], "units": units}).as_object().unwrap(), 2);
        assert_eq!(read(json!(["nm", "um"])), Some((vec![4.0, 5000.0], "nm".to_owned())));
        assert_eq!(read(json!(["s", "um"])), Some((vec![1.0, 5.0], "um".to_owned())));
        assert_eq!(read(Value::Null), Some((vec![4.0, 5.0], String::new())));
    }

    /// The sizes of all scales of a group and their unit, as the group shows them, and those of its last scale by itself.
    fn sizes(name: &str, group: Value, scales: &[Value]) -> (Vec<Vec<f64>>, String, Option<Vec<f64>>) {
        let root = format!("memory://n5-sizes-{name}");
        let options = FormatOptions { format: Some("n5".into()), ..FormatOptions::default() };
        format::create_group(&root, group.as_object().unwrap(), &options).unwrap();
        for (level, said) in scales.iter().enumerate() {
            let url = format!("{root}/s{level}");
            create(&url, &[8, 8], "raw");
            format::update_attributes(&url, said.as_object().unwrap(), &FormatOptions::default()).unwrap();
        }
        let array = OpenOptions::new().open(&root).unwrap();
        let own = OpenOptions::new().open(&format!("{root}/s{}", scales.len() - 1)).unwrap();
        let all = array.scales().iter().map(|scale| scale.resolution.size.to_vec()).collect();
        (all, array.resolution().unwrap().unit, own.resolution().map(|known| known.size.to_vec()))
    }

    #[test]
    fn a_scale_is_as_large_as_itself_says() {
        let nm = |size: [i32; 2]| json!({"dimensions": size, "unit": "nm"});
        let whose =
            |size: Value, factors: Value| json!({"pixelResolution": size, "downsamplingFactors": factors});
        // What the group says counts where a scale says nothing, its factors where the size is its own.
        let group = json!({"pixelResolution": nm([4, 40]), "scales": [[1, 1], [2, 1], [4, 1]]});
        let scales = [json!({}), whose(nm([5, 50]), json!([2, 2])), json!({"downsamplingFactors": [3, 1]})];
        let (all, unit, own) = sizes("both", group.clone(), &scales);
        assert_eq!(
            (all, unit),
            (vec![vec![4.0, 40.0], vec![10.0, 100.0], vec![12.0, 40.0]], "nm".to_owned())
        );
        assert_eq!(own, None);
        let of_scale = [json!({}), json!({"pixelResolution": nm([8, 40])})];
        let (all, _, own) = sizes("own", group, &of_scale);
        assert_eq!((all, own), (vec![vec![4.0, 40.0], vec![8.0, 40.0]], Some(vec![8.0, 40.0])));
        // A plain list is of pixels.
        let (all, unit, own) = sizes(
            "list",
            json!({}),
            &[json!({"pixelResolution": [4, 40]}), whose(json!([4, 40]), json!([2, 1]))],
        );
        assert_eq!((all, unit), (vec![vec![4.0, 40.0], vec![8.0, 40.0]], String::new()));
        assert_eq!(own, Some(vec![8.0, 40.0]));
        // As COSEM has it: the axes of a scale from the slowest on, and where its elements are.
        let transform = |step: f64, at: f64| {
            json!({
                "axes": ["y", "x"], "ordering": "C", "scale": [40.0, step], "translate": [0.0, at], "units": ["nm", "nm"],
            })
        };
        let said = whose(nm([4, 40]), json!([2, 1]));
        let mut second = said.as_object().unwrap().clone();
        second.insert("transform".to_owned(), transform(8.0, 2.0));
        let (all, _, own) =
            sizes("cosem", json!({}), &[json!({"transform": transform(4.0, 0.0)}), second.into()]);
        assert_eq!((all, own), (vec![vec![4.0, 40.0], vec![8.0, 40.0]], Some(vec![8.0, 40.0])));
        let array = OpenOptions::new().scale("s1").open("memory://n5-sizes-cosem").unwrap();
        let x = array.positions()[0].clone().unwrap();
        assert_eq!((x.start, x.step, x.unit.as_deref()), (2.0, 8.0, Some("nm")));
        // The group may list the transforms of all scales as well.
        let group = json!({"multiscales": [{"datasets": [
            {"path": "s0", "transform": transform(4.0, 0.0)}, {"path": "s1", "transform": transform(8.0, 2.0)},
        ]}]});
        let (all, _, own) = sizes("listed", group, &[json!({}), json!({})]);
        assert_eq!((all, own), (vec![vec![4.0, 40.0], vec![8.0, 40.0]], None));
    }

    #[test]
    fn copies_say_sizes_once() {
        let url = "memory://n5-size-copied";
        create(url, &[8, 8], "raw");
        let said =
            json!({"pixelResolution": {"dimensions": [4, 40], "unit": "nm"}, "downsamplingFactors": [2, 1]});
        format::update_attributes(url, said.as_object().unwrap(), &FormatOptions::default()).unwrap();
        let like = OpenOptions::new().like(url).unwrap();
        assert_eq!(
            (like.array.resolution, like.array.attributes),
            (Some(vec![8.0, 40.0]), json!({"mine": 1}).as_object().cloned())
        );
        // Pixels are no nanometres.
        let said = json!({"pixelResolution": [4, 40]});
        format::update_attributes(url, said.as_object().unwrap(), &FormatOptions::default()).unwrap();
        let like = OpenOptions::new().like(url).unwrap();
        assert_eq!((like.array.resolution, like.array.unit.as_deref()), (Some(vec![8.0, 40.0]), Some("")));
        assert_eq!(like.array.attributes, json!({"mine": 1}).as_object().cloned());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let good = json!({
            "dimensions": [5], "blockSize": [2], "dataType": "uint8", "compression": {"type": "gzip", "level": -1},
        });
        check_attributes(good.to_string().as_bytes()).unwrap();
        for (pointer, value, named) in [
            ("/dimensions", json!([-1]), "dimensions"),
            ("/blockSize", json!([0]), "blockSize"),
            ("/blockSize", json!([1u64 << 40]), "block"),
            ("/dataType", json!("string"), "string"),
            ("/compression/type", json!("jpeg"), "jpeg"),
            ("/compression/level", json!("best"), "level"),
        ] {
            let mut document = good.clone();
            *document.pointer_mut(pointer).unwrap() = value;
            let error = check_attributes(document.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
