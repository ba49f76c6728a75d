//! The metadata of a layer, as the viewer reads them: those of a precomputed volume.

use bigarrays::base::text::redact;
use serde_json::{Value, json};

use crate::dimensions::{Dimension, Dimensions};
use crate::layer::Served;
use crate::level::{Level, length};
use crate::volume::Volume;

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
            "labels": layer.labels,
            "url": address(layer.base()),
            "step": steps(dimensions),
            "unit": dimensions.all().map(|dimension| dimension.unit).collect::<Vec<_>>(),
            "order": order(layer),
            "contrast": layer.contrast.iter().filter(|_| layer.cost <= layer.limit()).map(|contrast| [contrast.low, contrast.high]).collect::<Vec<_>>(),
            "differs": layer.shown.mark().is_some(),
            "dimensions": dimensions.all().map(|dimension| dimension.name.as_str()).collect::<Vec<_>>(),
            "offset": dimensions.all().map(|dimension| dimension.offset).collect::<Vec<_>>(),
            "inverse": inverse(layer, dimensions),
            "first": ranges.iter().map(|range| range.start).collect::<Vec<_>>(),
            "end": ranges.iter().map(|range| range.end).collect::<Vec<_>>(),
        })
    };
    layers.iter().zip(dimensions).enumerate().map(one).collect()
}

/// What tiles of layers take whose limit is low: nothing for all others.
pub(crate) fn costs(layers: &[Served]) -> Value {
    let one = |(number, layer): (usize, &Served)| match layer.base() {
        Volume::Stored(_) => Value::Null,
        Volume::Computed(_) => json!({
            "number": number,
            "label": layer.label,
            "bytes": layer.cost,
            "limit": layer.limit(),
        }),
    };
    layers.iter().enumerate().map(one).collect()
}

/// What takes coordinates of the viewer to those of the array, if these are not the same but for where they begin.
fn inverse(layer: &Served, dimensions: &Dimensions) -> Option<[[f64; 4]; 3]> {
    Some(layer.placed(dimensions.measures())?.inverse()?.rows())
}

/// The address by which others open the array, if it is all of one that has one.
fn address(volume: &Volume) -> Option<String> {
    let Volume::Stored(array) = volume else { return None };
    let is_whole = array.domain() == array.layout().domain()
        && array.transform() == array.open_scale(array.scale()).ok()?.transform();
    let url = array.url();
    (is_whole && !url.starts_with("memory:")).then(|| redact(url).into_owned())
}

/// How long elements are along the axes, in one unit if those that are shown have one.
fn steps(dimensions: &Dimensions) -> Vec<f64> {
    let is_one = dimensions.shown.windows(2).all(|two| two[0].unit == two[1].unit);
    dimensions.all().map(|dimension| if is_one { dimension.scale } else { 1.0 }).collect()
}

/// For each axis of the array, which one of the page it is; -1 for that of channels.
fn order(layer: &Served) -> Vec<i64> {
    let axes = layer.axes();
    let numbered: Vec<Option<usize>> =
        axes.shown.iter().copied().chain(axes.others.iter().map(|&axis| Some(axis))).collect();
    let number =
        |axis: usize| numbered.iter().position(|one| *one == Some(axis)).map_or(-1, |number| number as i64);
    (0..layer.base().domain().ndim()).map(number).collect()
}

fn scale(key: usize, level: &Level, size: [f64; 3]) -> Value {
    let resolution: Vec<f64> = size.iter().zip(&level.size).map(|(size, times)| size * times).collect();
    let mut scale = json!({
        "key": key.to_string(),
        "encoding": "raw",
        "size": level.domain.iter().map(length).collect::<Vec<_>>(),
        "voxel_offset": level.domain.iter().map(|range| range.start).collect::<Vec<_>>(),
        "resolution": resolution,
        "chunk_sizes": [level.tile],
    });
    if let (Some(passed), Some(scale)) = (level.passed, scale.as_object_mut()) {
        passed.describe(scale);
    }
    scale
}
