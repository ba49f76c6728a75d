//! The metadata of a layer, as the viewer reads them: those of a precomputed volume.

use serde_json::{Value, json};

use crate::dimensions::{Dimension, Dimensions};
use crate::layer::Served;
use crate::level::{Level, length};

/// The metadata.
pub(crate) fn info(layer: &Served, dimensions: &Dimensions) -> Value {
    let size = [0, 1, 2].map(|axis: usize| dimensions.shown.get(axis).map_or(1.0, Dimension::nanometres));
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

/// What the page has to know of all layers to ask for values of the arrays themselves.
pub(crate) fn listed(layers: &[Served], dimensions: &[Dimensions]) -> Value {
    let one = |(number, (layer, dimensions)): (usize, (&Served, &Dimensions))| {
        let domain = layer.base().domain();
        let others = layer.axes().others.iter().map(|&axis| domain.range(axis));
        let ranges: Vec<_> = layer.levels[0].domain.iter().cloned().chain(others).collect();
        json!({
            "number": number,
            "name": layer.name,
            "label": layer.label,
            "dtype": layer.shown.from.name(),
            "differs": layer.shown.mark().is_some(),
            "dimensions": dimensions.all().map(|dimension| dimension.name.as_str()).collect::<Vec<_>>(),
            "offset": dimensions.all().map(|dimension| dimension.offset).collect::<Vec<_>>(),
            "first": ranges.iter().map(|range| range.start).collect::<Vec<_>>(),
            "end": ranges.iter().map(|range| range.end).collect::<Vec<_>>(),
        })
    };
    layers.iter().zip(dimensions).enumerate().map(one).collect()
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
