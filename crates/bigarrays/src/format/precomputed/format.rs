//! Precomputed layers as a format: what is asked of every format, in terms of `info` and scales.

use std::sync::{Arc, Mutex};

use super::info::Info;
use super::new::{channels, is_label_encoding, new_scale};
use super::open::{NAME, opened};
use super::scale_info::ScaleInfo;
use super::stored::{INFO, change_info, expect_empty, read_info, remove_chunks, stored_compression};
use crate::base::buffer::Order;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::format::holds::{Holds, Names, Shards, Sizes, Start};
use crate::format::place::check_new_key;
use crate::format::probe::Probe;
use crate::format::scale::ScaleSelector;
use crate::format::spec::{ArraySpec, CreateSpec, NewSharding, StorageSpec};
use crate::format::traits::{Abilities, Complete, Create, Format, FormatOptions, Opened, Remove, Scales};
use crate::store::Store;

/// The encodings of its own that are written.
const ENCODINGS: [&str; 4] = ["raw", "jpeg", "png", "compressed_segmentation"];

/// Neuroglancer's precomputed volumes.
#[derive(Clone, Copy, Debug)]
pub struct Precomputed;

impl Format for Precomputed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Neuroglancer precomputed volume, sharded or not"
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["precomputed", "neuroglancer-precomputed"]
    }

    fn documents(&self) -> &'static [&'static str] {
        &[INFO]
    }

    fn order(&self) -> Order {
        Order::Fortran
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let Some(info) = read_info(probe)? else { return Ok(None) };
        let store = probe.store();
        let position = options.scale.find(&info.describe()?)?;
        let named = |error: Error| match error.kind() {
            // What is stored is at fault, not who opens it.
            ErrorKind::InvalidArgument => Error::metadata(format!("scales[{position}]: {error}")),
            _ => error,
        };
        let opened = opened(&info, position, &**store, options);
        opened.map(Some).map_err(|error| named(error).at(store.location(INFO)))
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
}

/// What volumes hold.
const HOLDS: Holds = Holds {
    dialect: NAME,
    start: Start::Anywhere,
    dimension_names: Names::Fixed(&["x", "y", "z", "c"]),
    resolution: Sizes::Space,
    labels: true,
    chunks: true,
    encodings: &ENCODINGS,
    block_shape: &["compressed_segmentation"],
    content_encoding: true,
    sharding: Shards::Neuroglancer,
    key: true,
    ..Holds::PLAIN
};

impl Create for Precomputed {
    fn holds(&self) -> &'static Holds {
        &HOLDS
    }

    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, options: &FormatOptions) -> Result<Opened> {
        let labels = spec.array.labels.unwrap_or_else(|| is_label_encoding(spec.storage.encoding.as_deref()));
        let scale = new_scale(spec, options)?;
        let info = Info::new(labels, spec.array.dtype, channels(&spec.array.domain)?, &scale)?;
        let opened = opened(&info, 0, &**store, options)?;
        expect_empty(&**store, &scale)?;
        change_info(&**store, |old| match old {
            Some(_) => {
                Err(Error::new(ErrorKind::AlreadyExists, "there is a layer here; add a scale or remove it"))
            }
            None => Ok(Some(info.clone())),
        })?;
        Ok(opened)
    }

    fn like(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let Some(info) = read_info(probe)? else { return Ok(None) };
        let position = options.scale.find(&info.describe()?)?;
        let scale = info.scale(position)?;
        let domain = scale.domain(info.channels)?;
        let names = ["x", "y", "z", "c"].into_iter().take(domain.ndim());
        let array = ArraySpec {
            dimension_names: Some(names.map(|name| Some(name.to_owned())).collect()),
            beside: info.beside(),
            resolution: Some(along(&scale.resolution, &domain, 1.0)),
            labels: Some(info.segmentation),
            ..ArraySpec::new(info.dtype, domain.clone())
        };
        let storage = StorageSpec {
            content_encoding: stored_compression(&opened(&info, position, &**probe.store(), options)?)?,
            chunk_shape: scale.chunk_sizes.first().map(|chunk| along(chunk, &domain, 1)),
            encoding: Some(scale.encoding.clone()),
            level: scale.jpeg_quality.or(scale.png_level),
            block_shape: scale.block_size.filter(|_| HOLDS.block_shape.contains(&scale.encoding.as_str())),
            // What leads out of this layer would lead out of another.
            key: Some(scale.key.clone()).filter(|key| check_new_key(key).is_ok()),
            sharding: scale.sharding.map_or(NewSharding::None, NewSharding::Neuroglancer),
            ..StorageSpec::default()
        };
        Ok(Some(CreateSpec { array, storage }))
    }
}

impl Complete for Precomputed {
    fn complete(&self, store: &Arc<dyn Store>, scale: Option<&str>) -> Result<()> {
        change_info(&**store, |old| {
            let mut info = old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no layer here"))?;
            info.complete(scale.unwrap_or_default())?;
            Ok(Some(info))
        })
        .map(drop)
    }

    fn mark(&self, store: &Arc<dyn Store>, scale: &str) -> Result<()> {
        change_info(&**store, |old| {
            let mut info = old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no layer here"))?;
            info.mark(scale)?;
            Ok(Some(info))
        })
        .map(drop)
    }
}

/// Values for x, y and z, and `other` for channels where the box has several.
fn along<T: Copy>(values: &[T; 3], domain: &Domain, other: T) -> Vec<T> {
    values.iter().copied().chain([other]).take(domain.ndim()).collect()
}

impl Scales for Precomputed {
    fn begins_at_zero(&self) -> bool {
        true
    }

    fn add_scale(
        &self,
        store: &Arc<dyn Store>,
        spec: &CreateSpec,
        options: &FormatOptions,
    ) -> Result<Opened> {
        let scale = new_scale(spec, options)?;
        expect_empty(&**store, &scale)?;
        let added = change_info(&**store, |old| {
            let mut info = old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no layer here"))?;
            if info.dtype != spec.array.dtype || info.channels != channels(&spec.array.domain)? {
                let (dtype, count) = (info.dtype, info.channels);
                return Err(Error::invalid(format!(
                    "the layer holds {dtype} with {count} channels, and so do all scales"
                )));
            }
            spec.array.expect_labels(info.segmentation)?;
            let at = info.insert(scale.clone())?;
            opened(&info, at, &**store, options)?;
            Ok(Some(info))
        })?;
        let info = added.ok_or_else(|| Error::new(ErrorKind::Storage, "the scale was not added"))?;
        let position = ScaleSelector::Key(scale.key).find(&info.describe()?)?;
        opened(&info, position, &**store, options)
    }
}

impl Remove for Precomputed {
    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()> {
        if scale.is_none() && store.exists(INFO)? && store.unlink("")? {
            return Ok(());
        }
        let none = || Error::new(ErrorKind::NotFound, "there is no layer here");
        let info = Info::parse(&store.read_metadata(INFO)?.ok_or_else(none)?)?;
        let chosen = match scale {
            Some(selector) => vec![info.scale(selector.find(&info.describe()?)?)?.clone()],
            // Of what is not valid it is not known what it has.
            None => (0..info.scales.len()).map(|at| info.scale(at).cloned()).collect::<Result<_>>()?,
        };
        let only = || Error::invalid("this is the only scale of the layer; remove the layer instead");
        if scale.is_some() && info.scales.len() == 1 {
            return Err(only());
        }
        chosen.iter().try_for_each(|scale| remove_chunks(&**store, scale))?;
        // Scales that were added meanwhile.
        let mut later: Mutex<Vec<ScaleInfo>> = Mutex::default();
        change_info(&**store, |old| {
            let mut info = old.ok_or_else(none)?;
            if scale.is_none() {
                let is_new = |scale: &ScaleInfo| chosen.iter().all(|gone| gone.key != scale.key);
                *later.locked() = info.scales.into_iter().flatten().filter(is_new).collect();
                return Ok(None);
            }
            let gone = || Error::new(ErrorKind::NotFound, "the scale was removed meanwhile");
            let is_chosen = |scale: &ScaleInfo| chosen.iter().any(|chosen| chosen.key == scale.key);
            let position =
                info.scales.iter().position(|scale| scale.as_ref().is_ok_and(is_chosen)).ok_or_else(gone)?;
            if info.scales.len() == 1 {
                return Err(only());
            }
            info.remove(position)?;
            Ok(Some(info))
        })?;
        later.value_mut().iter().try_for_each(|scale| remove_chunks(&**store, scale))?;
        if scale.is_none() {
            store.tidy("");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;

    #[test]
    fn nothing_is_left_of_what_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (layer, beside) = (folder.path().join("layer"), folder.path().join("beside"));
        std::fs::write(beside, "").unwrap();
        let url = layer.to_str().unwrap();
        let mut spec = CreateSpec::new(DataType::U8, "0:4,0:4,0:4".parse().unwrap());
        for (key, size) in [("fine/er", 1.0), ("fine/st", 2.0)] {
            (spec.storage.key, spec.array.resolution) = (Some(key.into()), Some(vec![size; 3]));
            let options = crate::OpenOptions::new();
            let array = if size == 1.0 { options.create(url, &spec) } else { options.add_scale(url, &spec) };
            array.unwrap().write(&[0; 3], ndarray::Array3::<u8>::ones((4, 4, 4)).view()).unwrap();
        }
        let remove = |scale: Option<&ScaleSelector>| {
            Precomputed.remove(&crate::store::open(url, &Default::default()).unwrap(), scale).unwrap();
        };
        remove(Some(&0.into()));
        assert!(!layer.join("fine/er").exists() && layer.join("fine/st").exists());
        // As who was killed leaves them.
        for folder in [layer.join("fine/st"), layer.clone()] {
            std::fs::write(folder.join(".bigarrays.lock"), "").unwrap();
        }
        std::fs::write(layer.join("notes"), "").unwrap();
        remove(None);
        assert_eq!(std::fs::read_dir(&layer).unwrap().count(), 1, "only what is not ours");
        std::fs::remove_file(layer.join("notes")).unwrap();
        crate::OpenOptions::new().create(url, &spec).unwrap();
        remove(None);
        assert!(!layer.exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
