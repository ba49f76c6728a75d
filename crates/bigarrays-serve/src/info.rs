//! The metadata of a layer, as the viewer reads them: those of a precomputed volume.

use serde_json::{Value, json};

use crate::layer::Served;
use crate::level::{Level, length};

/// The metadata.
pub(crate) fn info(layer: &Served, size: [f64; 3]) -> Value {
    let scales: Vec<Value> =
        layer.levels.iter().enumerate().map(|(key, level)| scale(key, level, size)).collect();
    json!({
        "@type": "neuroglancer_multiscale_volume",
        "type": if layer.labels { "segmentation" } else { "image" },
        "data_type": layer.shown.to.name(),
        "num_channels": layer.channels,
        "scales": scales,
    })
}

fn scale(key: usize, level: &Level, size: [f64; 3]) -> Value {
    let resolution: Vec<f64> = size.iter().zip(&level.size).map(|(size, times)| size * times).collect();
    json!({
        "key": key.to_string(),
        "encoding": "raw",
        "size": level.domain.iter().map(length).collect::<Vec<_>>(),
        "voxel_offset": level.domain.iter().map(|range| range.start).collect::<Vec<_>>(),
        "resolution": resolution,
        "chunk_sizes": [level.tile],
    })
}
