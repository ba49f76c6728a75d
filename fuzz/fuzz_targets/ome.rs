#![no_main]
//! The attributes of groups that are OME-Zarr images, plates and wells.

use std::sync::Arc;

use bigarrays::format::ome::{OME_V2, OME_V3};
use bigarrays::format::{Format, Probe};
use bigarrays::store::{MemoryStore, Store};
use bigarrays::{Array, OpenOptions};

// The first byte chooses the version and how many axes the arrays of the scales have; the rest are the attributes.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, attributes)) = input.split_first() else { return };
    let (is_v3, axes) = (choice & 1 == 0, usize::from(choice >> 1) % 7);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let list = |length: &str| vec![length; axes].join(",");
    for (scale, length) in [("0", "3"), ("1", "2"), ("A/1/0/0", "2"), ("labels/0", "1")] {
        let (shape, chunk) = (list(length), list("2"));
        let (key, array) = match is_v3 {
            true => ("zarr.json", format!(
                r#"{{"zarr_format":3,"node_type":"array","shape":[{shape}],"data_type":"uint8","chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":[{chunk}]}}}},"chunk_key_encoding":{{"name":"default"}},"fill_value":0,"codecs":["bytes"]}}"#
            )),
            false => (".zarray", format!(
                r#"{{"zarr_format":2,"shape":[{shape}],"chunks":[{chunk}],"dtype":"|u1","fill_value":0,"order":"C","filters":null,"compressor":null}}"#
            )),
        };
        store.write(&format!("{scale}/{key}"), array.as_bytes()).unwrap();
    }
    let format: &dyn Format = if is_v3 {
        let group = [br#"{"zarr_format":3,"node_type":"group","attributes":"#, attributes, b"}"].concat();
        store.write("zarr.json", &group).unwrap();
        &OME_V3
    } else {
        store.write(".zgroup", br#"{"zarr_format":2}"#).unwrap();
        store.write(".zattrs", attributes).unwrap();
        &OME_V2
    };
    let probe = Probe::read(&store, format.documents().iter().copied()).unwrap();
    let _ = format.problems(&probe);
    let options = OpenOptions::new();
    let Ok(array) = options.open_any_scale((&store, "")) else { return };
    look_at(&array);
    let Ok(mut spec) = options.like((&store, "")) else { return };
    spec.storage.key = Some("new".to_owned());
    if options.add_scale((&store, ""), &spec).is_ok() {
        look_at(&options.clone().scale("new").open((&store, "")).expect("a scale that was added is there"));
    }
});

fn look_at(array: &Array) {
    let _ = (format!("{array:?}"), array.scales().len(), array.resolution());
    let _ = array.read::<u8>(array.domain());
}
