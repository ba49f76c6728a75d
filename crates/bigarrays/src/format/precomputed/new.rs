//! New scales.

use super::scale_info::ScaleInfo;
use super::sharding;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::chunk::codec;
use crate::format::incomplete::Incomplete;
use crate::format::place::check_new_key;
use crate::format::spec::CreateSpec;
use crate::format::traits::FormatOptions;

pub(super) fn is_label_encoding(encoding: Option<&str>) -> bool {
    matches!(encoding, Some("compressed_segmentation" | "compresso"))
}

pub(super) fn channels(domain: &Domain) -> Result<u64> {
    match (domain.ndim(), domain.shape()) {
        (3, _) => Ok(1),
        (4, &[_, _, _, channels]) if channels > 0 && domain.origin()[3] == 0 => Ok(channels),
        _ => Err(Error::invalid(format!(
            "a precomputed volume has the axes x, y, z and maybe channels that start at 0, not box {domain}"
        ))),
    }
}

/// The scale that `spec` describes.
pub(super) fn new_scale(spec: &CreateSpec, options: &FormatOptions) -> Result<ScaleInfo> {
    channels(&spec.array.domain)?;
    if spec.array.domain.is_empty() {
        return Err(Error::invalid(format!("box {} is empty", spec.array.domain)));
    }
    let (size, origin) = (spec.array.domain.shape(), spec.array.domain.origin());
    let resolution = of_space("a resolution", spec.array.resolution.as_deref(), 1.0)?;
    let chunk = of_space("a chunk shape", spec.storage.chunk_shape.as_deref(), 64)?;
    if spec.storage.chunk_shape.iter().flatten().any(|&length| length == 0) {
        return Err(Error::invalid("a chunk has at least one voxel along each axis"));
    }
    let encoding = spec.storage.encoding.clone().unwrap_or_else(|| "raw".to_owned());
    expect_level(&encoding, spec.storage.level)?;
    if codec::BUILTIN.iter().any(|codec| codec.name == encoding && !codec.writes) {
        return Err(Error::unsupported(format!("{encoding} is only read; choose another encoding")));
    }
    let is = |name: &str| encoding == name;
    let sharding = sharding::new_sharding(spec, &chunk, &encoding, options.content_encoding)?;
    let key = spec.storage.key.clone().unwrap_or_else(|| resolution.map(|x| x.to_string()).join("_"));
    check_new_key(&key)?;
    Ok(ScaleInfo {
        key,
        size: [size[0], size[1], size[2]],
        voxel_offset: [origin[0], origin[1], origin[2]],
        resolution,
        chunk_sizes: vec![chunk],
        block_size: is("compressed_segmentation").then(|| spec.storage.block_shape.unwrap_or([8; 3])),
        jpeg_quality: spec.storage.level.filter(|_| is("jpeg")),
        png_level: spec.storage.level.filter(|_| is("png")),
        sharding,
        encoding,
        incomplete: spec.array.incomplete.then(Incomplete::now),
    })
}

/// The numbers for x, y and z; more may be given.
fn of_space<T: Copy>(what: &str, given: Option<&[T]>, other: T) -> Result<[T; 3]> {
    match given {
        None => Ok([other; 3]),
        Some([x, y, z, ..]) => Ok([*x, *y, *z]),
        Some(_) => Err(Error::invalid(format!("{what} has one number for each of x, y, z"))),
    }
}

/// An error unless `level` is one that `encoding` has.
fn expect_level(encoding: &str, level: Option<u32>) -> Result<()> {
    let most = match encoding {
        "jpeg" => Some(100),
        "png" => Some(9),
        _ => None,
    };
    match (level, most) {
        (Some(_), None) => Err(Error::invalid(format!("encoding {encoding:?} has no level"))),
        (Some(level), Some(most)) if level > most => {
            Err(Error::invalid(format!("a level of {encoding} is from 0 to {most}, not {level}")))
        }
        _ => Ok(()),
    }
}
