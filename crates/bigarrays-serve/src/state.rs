//! What the viewer begins with: layers with names, contrast, position, dimensions and their units.

use bigarrays::{Error, Result};
use serde_json::{Map, Value, json};

use crate::dimensions::{Dimension, Dimensions};
use crate::layer::Served;
use crate::level::length;

/// What stands in the state for where the page is, which only the browser knows.
pub(crate) const HERE: &str = "{here}/";

/// How a viewer begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// The first coordinates that are shown.
    pub(crate) at: Option<Vec<f64>>,
    /// How panels are laid out.
    pub(crate) layout: Option<String>,
    /// Members of the state that count more than those that are made.
    pub(crate) state: Map<String, Value>,
}

/// Pixels that the whole of the first layer takes on the screen, about.
const PIXELS: f64 = 400.0;

/// The most sources of one layer: what has more coordinates on axes that are not shown is shown at the first of them.
pub(crate) const MOST_SOURCES: u64 = 200;

/// The state.
///
/// # Errors
/// `InvalidArgument` for coordinates of more axes than there are.
pub(crate) fn state(layers: &[Served], dimensions: &[Dimensions], wishes: &Wishes) -> Result<Value> {
    let mut all: Vec<Dimension> = Vec::new();
    let mut position: Vec<f64> = Vec::new();
    for (layer, own) in layers.iter().zip(dimensions) {
        let domain = layer.base().domain();
        let starts = middle(layer, own);
        let firsts = layer.axes().others.iter().zip(&own.others);
        let firsts = firsts.map(|(&axis, one)| domain.origin()[axis] as f64 + 0.5 + one.offset);
        for (dimension, at) in own.all().zip(starts.into_iter().chain(firsts)) {
            if !all.iter().any(|known| known.name == dimension.name) {
                position.push(at);
                all.push(dimension.clone());
            }
        }
    }
    if let Some(at) = &wishes.at {
        if at.is_empty() || at.len() > all.len() {
            let names: Vec<&str> = all.iter().map(|one| &*one.name).collect();
            let reason = format!("{at:?} are no coordinates along some of the first of {}", names.join(", "));
            return Err(Error::invalid(reason));
        }
        position.iter_mut().zip(at).for_each(|(position, at)| *position = *at);
    }
    let mut state = Map::new();
    state.insert("dimensions".into(), space(all.iter().map(|one| (one.name.clone(), one))));
    state.insert("position".into(), position.into());
    if let Some(scale) = layers.first().map(|layer| pixel(layer, &all)) {
        state.insert("crossSectionScale".into(), scale.into());
        state.insert("projectionScale".into(), (scale * PIXELS * 2.0).into());
    }
    state.insert("layers".into(), layers.iter().zip(dimensions).enumerate().map(one).collect());
    state.insert("layout".into(), wishes.layout.as_deref().unwrap_or("4panel").into());
    state.extend(wishes.state.clone());
    Ok(state.into())
}

/// The middle of a layer, along the axes that are shown, where it is shown.
fn middle(layer: &Served, own: &Dimensions) -> [f64; 3] {
    let middle = [0, 1, 2].map(|axis: usize| {
        let range = &layer.levels[0].domain[axis];
        range.start as f64 + (length(range) / 2) as f64 + 0.5
    });
    let (lengths, offsets) = own.measures();
    match layer.placed((lengths, offsets)) {
        Some(placed) => placed.apply(middle),
        None => [0, 1, 2].map(|axis: usize| middle[axis] + offsets[axis]),
    }
}

fn space<'a>(dimensions: impl Iterator<Item = (String, &'a Dimension)>) -> Value {
    dimensions
        .map(|(name, dimension)| (name, json!([dimension.scale, dimension.unit])))
        .collect::<Map<_, _>>()
        .into()
}

/// The size of a pixel with which the first layer can be seen, in elements of the finest axis.
fn pixel(layer: &Served, all: &[Dimension]) -> f64 {
    let shown = || layer.levels[0].domain.iter().zip(all);
    let finest = shown().map(|(_, dimension)| dimension.scale).fold(f64::INFINITY, f64::min);
    let longest = shown().map(|(range, dimension)| length(range) as f64 * dimension.scale / finest);
    (longest.fold(1.0, f64::max) / PIXELS).max(0.05)
}

/// A layer.
fn one((number, (layer, dimensions)): (usize, (&Served, &Dimensions))) -> Value {
    let mut made = Map::new();
    made.insert("type".into(), if layer.labels { "segmentation" } else { "image" }.into());
    made.insert("name".into(), layer.name.clone().into());
    made.insert("source".into(), source(number, layer, dimensions));
    if !layer.labels {
        shade(layer, &mut made);
    }
    made.into()
}

/// Where the elements of a layer are, and where they belong: one place, or one for each coordinate on axes that are not shown.
fn source(number: usize, layer: &Served, dimensions: &Dimensions) -> Value {
    let Dimensions { shown, others } = dimensions;
    let url = format!("precomputed://{HERE}arrays/{number}");
    let is_plain = layer.affine.is_none()
        && others.is_empty()
        && shown
            .iter()
            .zip(["x", "y", "z"])
            .all(|(one, name)| one.name == name && one.unit == "m" && one.offset == 0.0);
    if is_plain {
        return url.into();
    }
    if others.is_empty() {
        return json!({"url": url, "transform": transform(layer, dimensions, &[])});
    }
    let all = places(layer);
    let place = |at: Vec<i64>| {
        let text: Vec<String> = at.iter().map(i64::to_string).collect();
        json!({"url": format!("{url}/at/{}", text.join(",")), "transform": transform(layer, dimensions, &at)})
    };
    all.into_iter().map(place).collect()
}

/// The coordinates on axes that are not shown, of which the viewer shows one at a time.
fn places(layer: &Served) -> Vec<Vec<i64>> {
    let (domain, axes) = (layer.base().domain(), &layer.axes().others);
    let count = axes.iter().fold(1u64, |all, &axis| all.saturating_mul(domain.shape()[axis]));
    let mut all: Vec<Vec<i64>> = vec![Vec::new()];
    for &axis in axes {
        let range = if count > MOST_SOURCES {
            domain.origin()[axis]..domain.origin()[axis] + 1
        } else {
            domain.range(axis)
        };
        let longer = |at: &Vec<i64>| -> Vec<Vec<i64>> {
            range.clone().map(|coordinate| at.iter().copied().chain([coordinate]).collect()).collect()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// What axes of a source are called and where they belong.
fn transform(layer: &Served, dimensions: &Dimensions, at: &[i64]) -> Value {
    let Dimensions { shown, others } = dimensions;
    let channel = Dimension { name: "c^".into(), scale: 1.0, unit: "", length: 1.0, offset: 0.0 };
    let own = shown.iter().zip(["x", "y", "z"]);
    let mut axes: Vec<(String, &Dimension, f64)> =
        own.map(|(one, name)| (name.to_owned(), one, one.offset)).collect();
    if layer.channels > 1 {
        axes.push(("c^".into(), &channel, 0.0));
    }
    let rank = axes.len();
    for (one, &at) in others.iter().zip(at) {
        // Not by its number: of the members of an object, JavaScript takes those first whose names are numbers.
        axes.push((one.name.clone(), one, at as f64 + one.offset));
    }
    let row = |row: usize| -> Value {
        let mut numbers = vec![0.0; axes.len() + 1];
        (numbers[row], numbers[axes.len()]) = (1.0, axes[row].2);
        if let (Some(affine), Some(placed), 0..3) = (layer.affine, layer.placed(dimensions.measures()), row) {
            // The linear part is of lengths, and what is added of elements.
            numbers[..3].copy_from_slice(&affine.rows()[row][..3]);
            numbers[axes.len()] = placed.rows()[row][3];
        }
        numbers.into()
    };
    let mut made = json!({
        "matrix": (0..axes.len()).map(row).collect::<Value>(),
        "outputDimensions": space(axes.iter().map(|axis| (axis.1.name.clone(), axis.1))),
        "inputDimensions": space(axes.iter().map(|axis| (axis.0.clone(), axis.1))),
    });
    if rank < axes.len() {
        made["sourceRank"] = rank.into();
    }
    made
}

/// Colours of channels, where there is more than one.
const COLOURS: [&str; 6] = ["#ff0000", "#00ff00", "#0000ff", "#ffffff", "#ffff00", "#ff00ff"];

/// How an image becomes colours.
fn shade(layer: &Served, made: &mut Map<String, Value>) {
    let range = |channel: usize| {
        layer.contrast.get(channel).map_or(json!([0, 1]), |contrast| json!([contrast.low, contrast.high]))
    };
    if layer.channels == 1 {
        made.insert("shaderControls".into(), json!({"normalized": {"range": range(0)}}));
        return;
    }
    let (mut controls, mut sum, mut ranges) = (String::new(), Vec::new(), Map::new());
    for channel in 0..layer.channels as usize {
        let colour = COLOURS[channel % COLOURS.len()];
        controls += &format!("#uicontrol invlerp level{channel}(channel={channel})\n");
        controls += &format!("#uicontrol vec3 colour{channel} color(default=\"{colour}\")\n");
        controls += &format!("#uicontrol bool show{channel} checkbox(default={})\n", channel < 4);
        sum.push(format!("(show{channel} ? colour{channel} * level{channel}() : vec3(0.0))"));
        ranges.insert(format!("level{channel}"), json!({"range": range(channel)}));
    }
    made.insert(
        "shader".into(),
        format!("{controls}void main() {{ emitRGB({}); }}\n", sum.join(" + ")).into(),
    );
    made.insert("shaderControls".into(), ranges.into());
}
