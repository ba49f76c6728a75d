//! N5: datasets of blocks, and groups of scales. Axes are in the order of `dimensions`, the fastest first.
//!
//! <https://github.com/saalfeldlab/n5#file-system-specification>

mod attributes;
mod block;
mod scales;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::document::{self, Document};
use super::place::{Documents, OwnKeys, expect_no_chunks};
use super::{
    Abilities, CreateSpec, Format, FormatOptions, Node, Opened, ScaleSelector, axis, compression, store_at,
    walk,
};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::FillValue;
use crate::base::error::{Error, ErrorKind, Result};
use crate::chunk::codec::{ChunkSpec, CodecPipeline, ContentEncoding};
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::layout::{Layout, Resolution};
use crate::store::Store;
use crate::store::shard::zarr::{GridKeys, PlaceKeys};
use attributes::{Dataset, RESERVED, numbers, texts};
pub use block::N5Block;

/// The key of the attributes of a dataset or a group.
const ATTRIBUTES: &str = "attributes.json";

/// Members about sizes of elements, which are written from what they mean.
const SIZES: [&str; 3] = ["pixelResolution", "resolution", "units"];

/// Datasets of N5.
#[derive(Clone, Copy, Debug)]
pub struct N5;

/// Reads the attributes of a dataset; for fuzzing.
///
/// # Errors
/// `InvalidMetadata` or `Unsupported` if they are of no dataset that can be opened.
pub fn check_attributes(bytes: &[u8]) -> Result<()> {
    let document = document::parse(bytes)?;
    match attributes::parse(&document)? {
        Some(dataset) => layout(&dataset, None).map(drop),
        None => Ok(()),
    }
}

fn store(url: &str, options: &FormatOptions) -> Result<Arc<dyn Store>> {
    store_at(url.strip_prefix("n5://").unwrap_or(url), options)
}

/// How a dataset is stored.
fn layout(dataset: &Dataset, resolution: Option<Resolution>) -> Result<Layout> {
    let Dataset { shape, block, dtype, compression, names } = dataset;
    let named = |error: Error| match error.kind() {
        ErrorKind::InvalidArgument => Error::metadata(format!("blockSize: {error}")),
        _ => error,
    };
    let grid =
        Domain::from_shape(shape).and_then(|domain| ChunkGrid::new(domain, block, EdgeChunks::Clipped));
    let lengths: Dims<usize> = block.iter().map(|&length| length as usize).collect();
    let codecs = CodecPipeline::new(Arc::new(N5Block::new(&lengths, compression.clone())), Vec::new());
    codecs.check(&ChunkSpec { dtype: *dtype, shape: lengths }).map_err(named)?;
    let usual = |axis: usize| {
        ["x", "y", "z"].get(axis).map_or_else(|| format!("dim_{axis}"), |&name| name.to_owned())
    };
    let names = names.clone().unwrap_or_else(|| (0..shape.len()).map(usual).collect());
    Ok(Layout {
        dtype: *dtype,
        fill: FillValue::zero(*dtype),
        grid: grid.map_err(named)?,
        keys: Arc::new(PlaceKeys),
        codecs,
        order: Order::Fortran,
        content_encoding: ContentEncoding::Identity,
        sharding: None,
        dimension_names: names.into(),
        resolution,
    })
}

/// The size of an element that `document` says: `pixelResolution`, or a plain `resolution`.
fn resolution(document: &Document, ndim: usize) -> Option<(Vec<f64>, String)> {
    let (size, unit) = match document.get("pixelResolution") {
        Some(Value::Object(object)) => {
            (numbers(object.get("dimensions")?)?, object.get("unit").and_then(Value::as_str))
        }
        Some(list) => (numbers(list)?, None),
        None => {
            let size = numbers(document.get("resolution")?).filter(|size| size.len() == ndim)?;
            let units = document.get("units").and_then(texts).unwrap_or_default();
            return Some(in_one_unit(size, &units));
        }
    };
    (size.len() == ndim).then(|| (size, unit.unwrap_or("nm").to_owned()))
}

/// Sizes, each in its unit, in that of the first length among these, or nanometres; 1 along axes of other units.
fn in_one_unit(size: Vec<f64>, units: &[String]) -> (Vec<f64>, String) {
    let is_length = |unit: &&String| Resolution::nanometres_of(unit).is_some();
    let first = units.iter().find(is_length).or(units.first()).map_or("nm", String::as_str);
    let one = |(axis, size): (usize, f64)| match units.get(axis).map(|own| Resolution::factor(own, first)) {
        Some(Some((by, of))) => size * by / of,
        Some(None) => 1.0,
        None => size,
    };
    (size.into_iter().enumerate().map(one).collect(), first.to_owned())
}

fn of(size: Vec<f64>, unit: String) -> Resolution {
    Resolution { size: size.into(), unit }
}

impl N5 {
    fn dataset(self, store: &dyn Store) -> Result<Option<(Document, Dataset)>> {
        let Some(document) = document::read(store, ATTRIBUTES)? else { return Ok(None) };
        let dataset = attributes::parse(&document).map_err(|error| error.at(store.location(ATTRIBUTES)))?;
        Ok(dataset.map(|dataset| (document, dataset)))
    }

    fn opened(self, document: &Document, dataset: &Dataset, store: Arc<dyn Store>) -> Result<Opened> {
        let known = resolution(document, dataset.shape.len()).map(|(size, unit)| of(size, unit));
        let layout = layout(dataset, known).map_err(|error| error.at(store.location(ATTRIBUTES)))?;
        Ok(Opened { format: self.name(), layout, copies: Vec::new(), store, scales: Vec::new(), scale: 0 })
    }

    /// Creates a dataset that is no scale of a group. If it `adopts`, one that is there already, of the very same
    /// attributes and without blocks, is taken for what somebody was about to make and did not finish.
    fn create_dataset(
        self,
        url: &str,
        spec: &CreateSpec,
        options: &FormatOptions,
        adopts: bool,
    ) -> Result<Opened> {
        let is_none = spec.block.is_none() && spec.labels.is_none() && spec.shard.is_none();
        let is_known = spec.codecs.as_ref().is_none_or(|codecs| {
            spec.encoding.is_none()
                && spec.level.is_none()
                && compression::to_n5(codecs, spec.dtype).is_some()
        });
        let is_plain = is_known && spec.fill.is_none() && spec.chunk_keys.is_none();
        if !is_none || !is_plain || spec.sharding != crate::format::NewSharding::None {
            let message = "datasets of N5 have no codecs but an encoding, Blosc or zlib, no fill value, shards or labels";
            return Err(Error::invalid(message));
        }
        if spec.domain.origin().iter().any(|&origin| origin != 0) || spec.domain.ndim() == 0 {
            return Err(Error::invalid(format!(
                "datasets of N5 have axes that start at zero, not box {}",
                spec.domain
            )));
        }
        if options.content_encoding != ContentEncoding::Identity {
            return Err(Error::invalid("blocks of N5 are compressed by their encoding, not around them"));
        }
        let block = crate::format::zarr::usual_chunk(spec)?;
        let document = attributes::create(spec, &block)?;
        let store = store(url, options)?;
        let none = || Error::invalid("no dataset");
        let dataset = attributes::parse(&document)?.ok_or_else(none)?;
        let opened = self.opened(&document, &dataset, Arc::clone(&store))?;
        let ndim = dataset.shape.len();
        let empty = expect_no_chunks(&*store, "", |key| PlaceKeys.parse(key, ndim).is_some());
        match empty {
            // Of a dataset, making it says so.
            Err(_) if !adopts && store.exists(ATTRIBUTES)? => {}
            empty => empty?,
        }
        match adopts {
            true => document::create_or_same(&*store, ATTRIBUTES, &document)?,
            false => document::create(&*store, ATTRIBUTES, &document)?,
        }
        Ok(opened)
    }

    /// Removes the blocks of a dataset of so many axes that `is_gone` says.
    fn remove_blocks(self, store: &dyn Store, ndim: usize, is_gone: impl Fn(&[u64]) -> bool) -> Result<()> {
        store.remove_where(|key| PlaceKeys.parse(key, ndim).is_some_and(|index| is_gone(&index)))
    }
}

impl Format for N5 {
    fn name(&self) -> &'static str {
        "n5"
    }

    fn about(&self) -> &'static str {
        "N5 dataset, or group of the scales s0, s1, …"
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn open(&self, url: &str, options: &FormatOptions) -> Result<Option<Opened>> {
        let store = store(url, options)?;
        let Some(document) = document::read(&*store, ATTRIBUTES)? else { return Ok(None) };
        let parsed = attributes::parse(&document).map_err(|error| error.at(store.location(ATTRIBUTES)))?;
        match parsed {
            Some(dataset) => self.opened(&document, &dataset, store).map(Some),
            None => self.open_group(&*store, &document, &options.scale).map(Some),
        }
    }

    fn problems(&self, url: &str, options: &FormatOptions) -> Result<Vec<String>> {
        self.lost_scales(&*store(url, options)?)
    }

    fn creates(&self) -> bool {
        true
    }

    fn create(&self, url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        match &spec.key {
            Some(_) => self.create_scales(url, spec, options),
            None => self.create_dataset(url, spec, options, false),
        }
    }

    fn add_scale(&self, url: &str, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        self.add_to_scales(url, spec, options)
    }

    fn like(&self, url: &str, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let Some(opened) = self.open(url, options)? else { return Ok(None) };
        let Some(document) = document::read(&*opened.store, ATTRIBUTES)? else { return Ok(None) };
        let (encoding, level) = attributes::encoding(&document);
        let said = document.get("compression");
        let codecs = said.and_then(|said| compression::of_n5(said, opened.layout.dtype));
        let resolution = opened.layout.resolution.as_ref().and_then(|known| known.nanometres(|_| true));
        let is_said = |name: &str| name == "axes" || resolution.is_some() && SIZES.contains(&name);
        let mut attributes = document;
        attributes.retain(|name, _| !RESERVED.contains(&name.as_str()) && !is_said(name));
        let spec = CreateSpec::of(&opened.layout);
        Ok(Some(CreateSpec { encoding, level, codecs, resolution, attributes: Some(attributes), ..spec }))
    }

    fn fit(&self, spec: CreateSpec, from: &str) -> CreateSpec {
        let is_own = from == self.name();
        let is_known = |name: &String| is_own || attributes::ENCODINGS.contains(&name.as_str());
        let encoding = spec.encoding.filter(is_known);
        CreateSpec {
            domain: super::at_zero(spec.domain),
            level: spec.level.filter(|_| encoding.is_some()),
            encoding,
            block: None,
            compression: None,
            labels: None,
            key: None,
            sharding: super::NewSharding::None,
            shard: None,
            shard_order: None,
            fill: None,
            codecs: spec.codecs.and_then(|codecs| compression::portable(&codecs, spec.dtype)),
            chunk_keys: None,
            axes: None,
            attributes: if is_own { spec.attributes } else { axis::of_user(spec.attributes) },
            ..spec
        }
    }

    fn first_key(&self) -> Option<&'static str> {
        Some("s0")
    }

    fn order(&self) -> Order {
        Order::Fortran
    }

    fn remove(&self, url: &str, scale: Option<&ScaleSelector>, options: &FormatOptions) -> Result<()> {
        let store = store(url, options)?;
        let dataset = self.dataset(&*store)?.filter(|_| scale.is_none());
        let Some((_, dataset)) = dataset else { return self.remove_scales(&*store, scale) };
        if store.unlink()? {
            return Ok(());
        }
        document::take(&*store, ATTRIBUTES)?;
        self.remove_blocks(&*store, dataset.shape.len(), |_| true)?;
        store.tidy();
        Ok(())
    }

    fn list(&self, url: &str, options: &FormatOptions) -> Result<Option<Vec<Node>>> {
        let store = store(url, options)?;
        let Some(document) = document::read(&*store, ATTRIBUTES)? else { return Ok(None) };
        if document.contains_key("dimensions") {
            return Ok(None);
        }
        let kind = |store: &dyn Store| {
            let document = document::read(store, ATTRIBUTES)?;
            Ok(document.map(|document| document.contains_key("dimensions")))
        };
        walk::nodes(&*store, usize::MAX, &kind).map(|(nodes, _)| Some(nodes))
    }

    fn create_group(&self, url: &str, attributes: &Document, options: &FormatOptions) -> Result<()> {
        document::create(&*store(url, options)?, ATTRIBUTES, &attributes::group(Some(attributes)))
    }

    fn attributes(&self, url: &str, options: &FormatOptions) -> Result<Option<Document>> {
        let found = document::read(&*store(url, options)?, ATTRIBUTES)?;
        Ok(found.map(|mut document| {
            document.retain(|name, _| !RESERVED.contains(&name.as_str()));
            document
        }))
    }

    fn change_attributes(
        &self,
        url: &str,
        change: &(dyn Fn(Document) -> Document + Sync),
        options: &FormatOptions,
    ) -> Result<()> {
        document::change(&*store(url, options)?, ATTRIBUTES, |old| {
            let none = || Error::new(ErrorKind::NotFound, "there is nothing here");
            let is_reserved = |name: &String| RESERVED.contains(&name.as_str());
            let parts = old.ok_or_else(none)?.into_iter().partition(|(name, _)| is_reserved(name));
            let (mut document, user): (Document, Map<String, Value>) = parts;
            document.extend(change(user).into_iter().filter(|(name, _)| !is_reserved(name)));
            Ok(Some(document))
        })
    }

    fn resizes(&self) -> bool {
        true
    }

    fn resize(&self, url: &str, shape: &[u64], options: &FormatOptions) -> Result<()> {
        let store = store(url, options)?;
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
        let (before, _) = resized(document::read(&*store, ATTRIBUTES)?)?;
        if before.shape.iter().zip(shape).any(|(old, new)| old > new) {
            let is_outside = |index: &[u64]| {
                let mut axes = index.iter().zip(&before.block).zip(shape);
                axes.any(|((&at, &block), &length)| at >= length.div_ceil(block))
            };
            self.remove_blocks(&*store, shape.len(), is_outside)?;
        }
        document::change(&*store, ATTRIBUTES, |old| resized(old).map(|(_, document)| Some(document)))
    }
}

/// Which keys beside `attributes.json` are a dataset's own; `None` if there are no attributes.
pub(super) fn own_keys(documents: &Documents) -> Option<OwnKeys> {
    let document = documents.get(ATTRIBUTES)?.as_ref()?;
    let ndim = document.get("dimensions").and_then(Value::as_array).map(Vec::len);
    Some(Box::new(move |key| ndim.is_some_and(|ndim| PlaceKeys.parse(key, ndim).is_some())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::{OpenOptions, format, ndarray};

    fn create(url: &str, shape: &[u64], encoding: &str) -> crate::Array {
        let mut spec = CreateSpec::new(DataType::I16, Domain::from_shape(shape).unwrap());
        spec.chunk = Some(vec![4; shape.len()]);
        spec.encoding = Some(encoding.to_owned());
        spec.attributes = Some([("mine".to_owned(), json!(1))].into_iter().collect());
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
            assert_eq!((again.format(), &again.dimension_names()[..]), ("n5", &["x", "y"][..]));
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
            format::resize(&url, &[3, 9], &FormatOptions::default()).unwrap();
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
            format::resize(url, &[length], &FormatOptions::default()).unwrap();
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
        assert_eq!(read(Value::Null), Some((vec![4.0, 5.0], "nm".to_owned())));
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
            ("/compression/level", json!(11), "level"),
        ] {
            let mut document = good.clone();
            *document.pointer_mut(pointer).unwrap() = value;
            let error = check_attributes(document.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
