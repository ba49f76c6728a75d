//! The `info` document: parsed with an error for every violation, kept as it is otherwise.
//!
//! <https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md>

use serde_json::{Map, Value, json};

use super::scale_info::{LostScale, ScaleInfo, lower_case};
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::member::{Member, positive};
use crate::format::{Incomplete, Scale, document, incomplete, text};

/// A parsed `info`. The document keeps members that this library does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    document: Map<String, Value>,
    /// Whether elements are labels.
    pub segmentation: bool,
    /// Type of the elements.
    pub dtype: DataType,
    /// Number of channels, at least one.
    pub channels: u64,
    /// The scales, in the order of the document: those that are not valid hide no others.
    pub scales: Vec<Result<ScaleInfo, LostScale>>,
    /// What is not as the specification has it, and is read as all readers do: each says where.
    pub tolerated: Vec<String>,
}

impl Info {
    /// Parses the bytes of an `info`.
    ///
    /// # Errors
    /// `InvalidMetadata` naming the member, what was found and what is expected.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut tolerated = Vec::new();
        if bytes.starts_with(b"\xef\xbb\xbf") {
            tolerated.push("info: a byte order mark".into());
        }
        let document = document::parse(bytes)?;
        let root = Member { object: &document, path: String::new() };
        if let Some(kind) = root.optional("@type", Value::as_str, "a string")?
            && kind != "neuroglancer_multiscale_volume"
        {
            return Err(root.wrong("@type", "\"neuroglancer_multiscale_volume\""));
        }
        let segmentation = match &*lower_case(&root, "type", "a string", &mut tolerated)? {
            "image" => false,
            "segmentation" => true,
            _ => return Err(root.wrong("type", "\"image\" or \"segmentation\"")),
        };
        let dtype = lower_case(&root, "data_type", "a string", &mut tolerated)?;
        let dtype = DataType::ALL.into_iter().find(|known| known.name() == dtype);
        let dtype =
            dtype.ok_or_else(|| root.wrong("data_type", "a type such as \"uint8\" or \"float32\""))?;
        let channels = root.required("num_channels", positive, "a positive whole number")?;
        let scales = root.required("scales", Value::as_array, "an array of scales")?;
        if scales.is_empty() {
            return Err(root.wrong("scales", "at least one scale"));
        }
        let mut parsed: Vec<Result<ScaleInfo, LostScale>> = Vec::new();
        for (position, value) in scales.iter().enumerate() {
            let scale = ScaleInfo::parse(value, position, channels, &mut tolerated);
            let lost = |reason: String| LostScale { key: key_of(value), reason };
            let is_known = |scale: &ScaleInfo| parsed.iter().any(|known| key(known) == scale.key);
            parsed.push(match scale {
                Ok(scale) if is_known(&scale) => {
                    Err(lost(format!("scales[{position}].key: {:?} stands twice", scale.key)))
                }
                scale => scale.map_err(|error| lost(error.reason().to_owned())),
            });
        }
        Ok(Self { segmentation, dtype, channels, scales: parsed, tolerated, document })
    }

    /// The scale at `position`.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is not valid.
    pub fn scale(&self, position: usize) -> Result<&ScaleInfo> {
        match self.scales.get(position) {
            Some(Ok(scale)) => Ok(scale),
            Some(Err(lost)) => Err(Error::metadata(lost.reason.clone())),
            None => Err(Error::metadata(format!("there is no scales[{position}]"))),
        }
    }

    /// The scales that are valid.
    pub fn valid_scales(&self) -> impl Iterator<Item = &ScaleInfo> {
        self.scales.iter().flatten()
    }

    /// Where the document says that the layer, or what it is made of, is instead: the member, and the place if it
    /// names one.
    pub fn elsewhere(&self) -> Option<(&'static str, Option<&str>)> {
        let text = |name: &str| self.document.get(name).and_then(Value::as_str);
        // The first is CloudVolume's, the others are those of graph servers.
        let named = ["redirect", "data_dir"].into_iter().find_map(|name| Some((name, Some(text(name)?))));
        named.or_else(|| self.document.contains_key("app").then_some(("app", None)))
    }

    /// What the layer has beside its elements, such as meshes, in words.
    pub fn beside(&self) -> Vec<String> {
        const OWN: [&str; 5] = ["@type", "type", "data_type", "num_channels", "scales"];
        let is_said = |value: &Value| !value.is_null() && value != "";
        let others =
            self.document.iter().filter(|(name, value)| !OWN.contains(&name.as_str()) && is_said(value));
        let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
        Vec::from_iter(
            (!others.is_empty()).then(|| format!("what lies beside the layer: {}", others.join(", "))),
        )
    }

    /// A new document with one scale.
    pub fn new(segmentation: bool, dtype: DataType, channels: u64, scale: &ScaleInfo) -> Result<Self> {
        let kind = if segmentation { "segmentation" } else { "image" };
        let document = json!({
            "@type": "neuroglancer_multiscale_volume",
            "type": kind,
            "data_type": dtype.name(),
            "num_channels": channels,
            "scales": [scale.to_json()],
        });
        Self::parse(document.to_string().as_bytes())
    }

    /// The document as it is to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{}\n", text::write(&self.document)).into_bytes()
    }

    /// Puts `scale` where it belongs by its resolution, finest first.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a scale of this key.
    pub fn insert(&mut self, scale: ScaleInfo) -> Result<usize> {
        if self.scales.iter().any(|known| key(known) == scale.key) {
            let message = format!("scale {:?} exists", scale.key);
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let volume = |scale: &ScaleInfo| scale.resolution.iter().product::<f64>();
        let is_finer = |known: &Result<ScaleInfo, LostScale>| {
            known.as_ref().map_or(true, |known| volume(known) <= volume(&scale))
        };
        let at = self.scales.iter().take_while(|known| is_finer(known)).count();
        if let Some(Value::Array(scales)) = self.document.get_mut("scales") {
            scales.insert(at, scale.to_json());
        }
        self.scales.insert(at, Ok(scale));
        Ok(at)
    }

    /// Takes the scale at `position` out.
    ///
    /// # Errors
    /// As [`Info::scale`].
    pub fn remove(&mut self, position: usize) -> Result<ScaleInfo> {
        let scale = self.scale(position)?.clone();
        if let Some(Value::Array(scales)) = self.document.get_mut("scales") {
            scales.remove(position);
        }
        self.scales.remove(position).ok();
        Ok(scale)
    }

    /// Takes the mark of the scale of this key away.
    ///
    /// # Errors
    /// `NotFound` if there is no such scale.
    pub fn complete(&mut self, scale: &str) -> Result<()> {
        self.set_mark(scale, None)
    }

    /// Marks the scale of this key as incomplete.
    ///
    /// # Errors
    /// `NotFound` if there is no such scale.
    pub fn mark(&mut self, scale: &str) -> Result<()> {
        self.set_mark(scale, Some(Incomplete::now()))
    }

    fn set_mark(&mut self, scale: &str, mark: Option<Incomplete>) -> Result<()> {
        let gone = || Error::new(ErrorKind::NotFound, format!("scale {scale:?} was removed meanwhile"));
        let at = self.scales.iter().position(|known| key(known) == scale).ok_or_else(gone)?;
        if let Some(Value::Object(entry)) = self.document.get_mut("scales").and_then(|all| all.get_mut(at)) {
            incomplete::put(entry, mark.as_ref().map(Incomplete::to_json));
        }
        if let Ok(entry) = &mut self.scales[at] {
            entry.incomplete = mark;
        }
        Ok(())
    }

    /// The scales in the terms of every format.
    pub fn describe(&self) -> Result<Vec<Scale>> {
        let describe = |scale: &Result<ScaleInfo, LostScale>| match scale {
            Ok(scale) => scale.describe(self.channels, self.segmentation),
            Err(lost) => lost.describe(self.channels, self.segmentation),
        };
        self.scales.iter().map(describe).collect()
    }
}

/// The key of a scale, valid or not.
fn key(scale: &Result<ScaleInfo, LostScale>) -> &str {
    match scale {
        Ok(scale) => &scale.key,
        Err(lost) => &lost.key,
    }
}

/// The key of what may be a scale.
fn key_of(value: &Value) -> String {
    value.get("key").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        json!({
            "type": "image", "data_type": "UInt8", "num_channels": 1, "provenance": {"by": "us"},
            "scales": [{"key": "../8_8_40", "size": [10, 20, 30], "voxel_offset": [-5, 0, 7], "resolution": [8, 8.5, 40],
                "chunk_sizes": [[4, 4, 4]], "encoding": "raw", "rois": [1, 2]}],
        })
    }

    fn parse(value: &Value) -> Result<Info> {
        Info::parse(value.to_string().as_bytes())
    }

    #[test]
    fn unknown_members_survive_changes() {
        let mut info = parse(&sample()).unwrap();
        let first = info.scale(0).unwrap().clone();
        assert_eq!(first.domain(1).unwrap().to_string(), "-5:5,0:20,7:37");
        let finer = ScaleInfo { key: "4".into(), resolution: [4.0, 4.0, 40.0], ..first };
        assert_eq!(info.insert(finer.clone()).unwrap(), 0);
        assert!(info.insert(finer).is_err());
        let again = Info::parse(&info.to_bytes()).unwrap();
        assert_eq!(again, info);
        assert_eq!(again.document["provenance"]["by"], "us");
        assert_eq!(again.document["scales"][1]["rois"], json!([1, 2]));
        info.remove(0).unwrap();
        assert_eq!(info.document, *sample().as_object().unwrap());
    }

    #[test]
    fn what_other_readers_take_is_taken_and_noted() {
        let mut document = sample();
        document["type"] = json!("IMAGE");
        document["scales"][0]["encoding"] = json!("Raw");
        document["scales"][0]["compressed_segmentation_block_size"] = json!([8, 8, 8]);
        document["scales"][0]["jpeg_quality"] = json!("best");
        let info = parse(&document).unwrap();
        let scale = info.scale(0).unwrap();
        assert_eq!((&*scale.encoding, scale.block_size, scale.jpeg_quality), ("raw", None, None));
        let named =
            ["type", "data_type", "scales[0].encoding", "compressed_segmentation_block_size", "jpeg_quality"];
        assert!(named.iter().all(|name| info.tolerated.iter().any(|note| note.contains(name))), "{info:?}");
        assert_eq!(info.tolerated.len(), named.len());
        let marked = [b"\xef\xbb\xbf".as_slice(), document.to_string().as_bytes()].concat();
        assert_eq!(Info::parse(&marked).unwrap().tolerated.len(), named.len() + 1);
    }

    #[test]
    fn a_bad_scale_hides_no_other() {
        let mut document = sample();
        let good = document["scales"][0].clone();
        let mut other = good.clone();
        other["key"] = json!("other");
        document["scales"] = json!([{"key": "bad"}, good, 3, good, other]);
        let info = parse(&document).unwrap();
        assert_eq!(info.valid_scales().map(|scale| &*scale.key).collect::<Vec<_>>(), ["../8_8_40", "other"]);
        assert!(info.scale(0).unwrap_err().to_string().contains("scales[0]."));
        assert!(info.scale(3).unwrap_err().to_string().contains("twice"));
        let described = info.describe().unwrap();
        assert_eq!((described.len(), &*described[0].key, described[0].domain.is_empty()), (5, "bad", true));
        assert_eq!(info.to_bytes().len(), parse(&document).unwrap().to_bytes().len());
    }

    /// Numbers and texts that Python writes and JSON does not have.
    #[test]
    fn what_python_writes_is_kept() {
        let text = serde_json::to_string(&sample()).unwrap();
        let odd = text.replacen('{', r#"{"mean": NaN, "odd": ["\ud800", -Infinity], "#, 1);
        let again = String::from_utf8(Info::parse(odd.as_bytes()).unwrap().to_bytes()).unwrap();
        assert!(again.contains(r#""mean": NaN"#) && again.contains(r#""\ud800""#), "{again}");
        assert!(again.contains("-Infinity"), "{again}");
    }

    #[test]
    fn what_is_elsewhere_is_named() {
        let with = |name: &str, value: Value| {
            let mut document = sample();
            document[name] = value;
            parse(&document).unwrap().elsewhere().map(|(name, place)| (name, place.map(str::to_owned)))
        };
        assert_eq!(with("redirect", json!("gs://b/l")), Some(("redirect", Some("gs://b/l".into()))));
        assert_eq!(with("data_dir", json!("gs://b/l")), Some(("data_dir", Some("gs://b/l".into()))));
        assert_eq!(with("app", json!({"supported_api_versions": [0, 1]})), Some(("app", None)));
        assert_eq!(with("mesh", json!("mesh")), None);
    }

    #[test]
    fn every_violation_names_its_member() {
        let cases: &[(&str, Value, &str)] = &[
            ("/@type", json!("mesh"), "@type"),
            ("/type", json!("volume"), "type"),
            ("/data_type", json!("complex64"), "data_type"),
            ("/num_channels", json!(0), "num_channels"),
            ("/scales", json!([]), "scales"),
            ("/scales/0", json!(3), "scales[0]"),
            ("/scales/0/key", json!("/abs"), "scales[0].key"),
            ("/scales/0/size", json!([1, 2]), "scales[0].size"),
            ("/scales/0/size", json!([1, 2, -3]), "scales[0].size"),
            ("/scales/0/size", json!([1, 2, 9223372036854775807u64]), "scales[0]"),
            ("/scales/0/voxel_offset", json!([0.5, 0, 0]), "scales[0].voxel_offset"),
            ("/scales/0/resolution", json!([1, 0, 1]), "scales[0].resolution"),
            ("/scales/0/chunk_sizes", json!([]), "scales[0].chunk_sizes"),
            ("/scales/0/chunk_sizes", json!([[4, 4, 0]]), "scales[0].chunk_sizes"),
            ("/scales/0/encoding", json!("compressed_segmentation"), "block_size"),
            ("/scales/0/sharding", json!("yes"), "sharding"),
            ("/scales/0/sharding", json!({"@type": "zarr"}), "scales[0].sharding.@type"),
            (
                "/scales/0/sharding",
                json!({"@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": -1}),
                "scales[0].sharding.preshift_bits",
            ),
        ];
        for (pointer, value, named) in cases {
            let mut document = sample();
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            match document.pointer_mut(parent).unwrap() {
                Value::Object(object) => drop(object.insert(member.to_owned(), value.clone())),
                Value::Array(array) => array[member.parse::<usize>().unwrap()] = value.clone(),
                _ => unreachable!(),
            }
            let error = parse(&document).and_then(|info| info.scale(0).cloned()).unwrap_err();
            assert_eq!(error.kind(), crate::base::error::ErrorKind::InvalidMetadata, "{pointer}");
            assert!(error.to_string().contains(named), "{pointer}: {error}");
        }
        let mut document = sample();
        document["scales"][0]["encoding"] = json!("jpeg");
        document["scales"][0]["jpeg_quality"] = json!(101);
        let info = parse(&document).unwrap();
        assert!(info.scale(0).unwrap_err().to_string().contains("jpeg_quality"));
        assert!(Info::parse(b"{").unwrap_err().to_string().contains("JSON"));
        assert!(Info::parse(b"[]").is_err());
    }
}
