//! The tables of `info --supported`: formats, codecs and stores of the library.

use std::io::{self, Write};

use bigarrays::chunk::codec;
use bigarrays::{DataType, format, store};
use serde_json::{Value, json};

use crate::output::write_table;

/// Writes the tables as text.
pub(crate) fn write(out: &mut dyn Write) -> io::Result<()> {
    let yes = |able: bool| if able { "yes" } else { "no" }.to_owned();
    let formats = format::BUILTIN.iter().map(|format| {
        let able = format.abilities();
        vec![format.name().to_owned(), yes(able.reads), yes(able.writes), format.about().to_owned()]
    });
    write_table(out, &["FORMAT", "READS", "WRITES", "ABOUT"], formats.collect())?;
    writeln!(out)?;
    let codecs = codec::BUILTIN.iter().map(|codec| {
        let about = format!("{}{}", codec.about, types(codec.dtypes));
        vec![codec.name.to_owned(), yes(codec.reads), yes(codec.writes), about]
    });
    write_table(out, &["CODEC", "READS", "WRITES", "ABOUT"], codecs.collect())?;
    writeln!(out)?;
    let stores =
        store::BUILTIN.iter().map(|scheme| vec![scheme.prefix.to_owned(), scheme.summary.to_owned()]);
    write_table(out, &["STORE", "ABOUT"], stores.collect())
}

fn types(dtypes: &[DataType]) -> String {
    if dtypes.is_empty() || dtypes.len() == DataType::ALL.len() {
        return String::new();
    }
    format!(" ({})", dtypes.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(", "))
}

/// The tables as JSON.
pub(crate) fn json() -> Value {
    let formats = format::BUILTIN.iter().map(|format| {
        let able = format.abilities();
        json!({ "name": format.name(), "reads": able.reads, "writes": able.writes, "about": format.about() })
    });
    let codecs = codec::BUILTIN.iter().map(|codec| {
        let dtypes: Vec<_> = codec.dtypes.iter().map(|dtype| dtype.name()).collect();
        json!({
            "name": codec.name, "reads": codec.reads, "writes": codec.writes, "dtypes": dtypes, "about": codec.about,
        })
    });
    let stores = store::BUILTIN.iter().map(|store| json!({ "prefix": store.prefix, "about": store.summary }));
    json!({
        "formats": formats.collect::<Vec<_>>(),
        "codecs": codecs.collect::<Vec<_>>(),
        "stores": stores.collect::<Vec<_>>(),
    })
}
