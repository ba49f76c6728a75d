//! The attribute of what this library alone says of an array of Zarr. Others keep it and do not read it; nobody needs
//! it for the elements, so that members may be missing, wrong or of a time to come.
//!
//! ```json
//! {"bigarrays": {"resolution": [8, 8, 40], "unit": "nm", "origin": [-5, 0, 7], "shard_order": "morton"}}
//! ```
//! - `resolution`, `unit`: the size of an element along each axis.
//! - `origin`: where the first element lies in what the array was copied from; copies to formats whose arrays start
//!   anywhere put it there again. The array itself starts at zero, as for everybody.
//! - `shard_order`: the order in which chunks are written into shards, unless it is C's. Readers go by the index.

use serde_json::{Map, Value, json};

use crate::chunk::curve::ChunkOrder;
use crate::chunk::layout::Resolution;
use crate::format::spec::CreateSpec;

/// Its name.
const OWN: &str = "bigarrays";

/// What it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Own {
    /// The order in which chunks are written into shards.
    pub(super) order: ChunkOrder,
    pub(super) resolution: Option<Resolution>,
    pub(super) origin: Option<Vec<i64>>,
}

impl Own {
    /// Reads it from the attributes of an array of `ndim` axes.
    pub(super) fn parse(attributes: Option<&Map<String, Value>>, ndim: usize) -> Self {
        let Some(own) = attributes.and_then(|attributes| attributes.get(OWN)) else { return Self::default() };
        let list = |name| own.get(name).and_then(Value::as_array).filter(|list| list.len() == ndim);
        let numbers = |name| list(name)?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
        let sizes =
            numbers("resolution").filter(|sizes| sizes.iter().all(|size| size.is_finite() && *size > 0.0));
        let unit = own.get("unit").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            order: own
                .get("shard_order")
                .and_then(Value::as_str)
                .and_then(|name| name.parse().ok())
                .unwrap_or_default(),
            resolution: sizes.map(|sizes| Resolution { size: sizes.into(), unit }),
            origin: list("origin").and_then(|list| list.iter().map(Value::as_i64).collect()),
        }
    }

    /// Puts what `spec` says into the attributes of a new array, in place of what another had.
    pub(super) fn put(spec: &CreateSpec, attributes: &mut Map<String, Value>) {
        let mut own = match attributes.remove(OWN) {
            Some(Value::Object(own)) => own,
            _ => Map::new(),
        };
        let unit = spec.array.unit.as_deref().unwrap_or("nm");
        let unit = spec.array.resolution.as_ref().filter(|_| !unit.is_empty()).map(|_| json!(unit));
        let said = [
            (
                "resolution",
                spec.array.resolution.as_ref().map(|sizes| sizes.iter().copied().map(number).collect()),
            ),
            ("unit", unit),
            ("origin", spec.array.origin.as_ref().map(|origin| json!(origin))),
            ("shard_order", spec.storage.shard_order.map(|order| json!(order.name()))),
        ];
        for (name, value) in said {
            own.remove(name);
            own.extend(value.map(|value| (name.to_owned(), value)));
        }
        if !own.is_empty() {
            attributes.insert(OWN.to_owned(), Value::Object(own));
        }
    }
}

/// A number, as a whole one where it is one.
fn number(size: f64) -> Value {
    if size.fract() == 0.0 && size.abs() < 1e15 { json!(size as i64) } else { json!(size) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataType, Domain};

    #[test]
    fn what_is_put_is_read_and_the_rest_stays() {
        let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[4, 5]).unwrap());
        spec.array.resolution = Some(vec![8.0, 4.5]);
        spec.array.origin = Some(vec![-5, 0]);
        spec.storage.shard_order = Some(ChunkOrder::Morton);
        let mut attributes = Map::new();
        attributes.insert(OWN.to_owned(), json!({"later": 1, "origin": [9, 9]}));
        Own::put(&spec, &mut attributes);
        let expected = json!({
            "later": 1, "resolution": [8, 4.5], "unit": "nm", "origin": [-5, 0], "shard_order": "morton",
        });
        assert_eq!(attributes[OWN], expected);
        let resolution = Some(Resolution { size: [8.0, 4.5].as_slice().into(), unit: "nm".to_owned() });
        let own = Own { order: ChunkOrder::Morton, resolution, origin: Some(vec![-5, 0]) };
        assert_eq!(Own::parse(Some(&attributes), 2), own);
        // Of an array of other axes, nothing.
        assert_eq!(Own::parse(Some(&attributes), 3), Own { order: ChunkOrder::Morton, ..Own::default() });

        let mut none = Map::new();
        Own::put(&CreateSpec::new(DataType::U8, Domain::from_shape(&[4]).unwrap()), &mut none);
        assert!(none.is_empty());
    }

    #[test]
    fn nonsense_says_nothing() {
        for own in
            [json!(1), json!({"resolution": [0, 1], "origin": [1.5, 2], "shard_order": 3}), json!(["x"])]
        {
            let attributes = [(OWN.to_owned(), own)].into_iter().collect();
            assert_eq!(Own::parse(Some(&attributes), 2), Own::default());
        }
    }
}
