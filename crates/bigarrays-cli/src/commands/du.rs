//! `du`: what arrays take in their stores.

use std::io::Write;

use bigarrays::format;
use clap::Args;
use indicatif::BinaryBytes;
use serde_json::{Value, json};

use crate::commands::find::{self, Found};
use crate::output::{pretty, results, write_table};
use crate::session::Session;

/// Count the objects and bytes of arrays below a path or URL
///
/// For every scale: how many objects are stored, how many bytes they have, and how many times that the
/// elements would take. Whatever else lies in an array's folder is counted as `other`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bigarrays du s3://bucket/em\n  bigarrays du . --json")]
pub(crate) struct DuArgs {
    /// Path or URL of an array or of what arrays lie below
    #[arg(default_value = ".")]
    url: String,

    /// How many folders deep to look
    #[arg(long, value_name = "N", default_value_t = 4)]
    depth: usize,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a scale takes, or what is none.
#[derive(Debug, Default)]
struct Part {
    name: String,
    /// What keys start with.
    prefix: String,
    objects: u64,
    bytes: u64,
    /// Bytes of all elements; `None` if that is no 64-bit number, or if these are no elements.
    raw: Option<u64>,
}

impl Part {
    fn count(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    /// How many times the stored bytes the elements take.
    fn ratio(&self) -> Option<f64> {
        self.raw.filter(|_| self.bytes > 0).map(|raw| raw as f64 / self.bytes as f64)
    }

    fn json(&self) -> Value {
        json!({
            "scale": self.name,
            "objects": self.objects,
            "bytes": self.bytes,
            "raw_bytes": self.raw,
            "ratio": self.ratio(),
        })
    }

    fn row(&self, url: &str) -> Vec<String> {
        vec![
            url.to_owned(),
            self.name.clone(),
            self.objects.to_string(),
            self.bytes.to_string(),
            BinaryBytes(self.bytes).to_string(),
            self.raw.map_or_else(String::new, |raw| BinaryBytes(raw).to_string()),
            self.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]
    }
}

pub(crate) fn run(args: &DuArgs, session: &Session) -> anyhow::Result<()> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    let mut total = Part { name: "total".to_owned(), raw: Some(0), ..Part::default() };
    find::arrays(&args.url, args.depth, session, &mut |found| {
        let parts = parts(&found, session)?;
        for part in &parts {
            total.objects += part.objects;
            total.bytes += part.bytes;
            total.raw = total.raw.zip(part.raw.or((part.name == OTHER).then_some(0))).map(|(a, b)| a + b);
        }
        rows.extend(parts.iter().enumerate().map(|(k, part)| part.row(if k == 0 { &found.url } else { "" })));
        let scales: Vec<Value> = parts.iter().map(Part::json).collect();
        objects.push(json!({ "url": found.url, "parts": scales }));
        Ok(())
    })?;
    rows.push(total.row(""));
    let mut out = results();
    match args.json {
        true => writeln!(out, "{}", pretty(&json!({ "arrays": objects, "total": total.json() })))?,
        false => {
            let heading = ["ARRAY", "SCALE", "OBJECTS", "BYTES", "", "ELEMENTS", "RATIO"];
            write_table(&mut out, &heading, rows)?;
        }
    }
    Ok(out.flush()?)
}

/// What is no scale.
const OTHER: &str = "other";

/// The scales of an array and what they take, and what else lies in its folder, from one listing.
fn parts(found: &Found, session: &Session) -> anyhow::Result<Vec<Part>> {
    let array = &found.array;
    let item = array.dtype().size() as u64;
    let raw = |domain: &bigarrays::Domain| domain.checked_len().ok()?.checked_mul(item);
    let store = format::store_at(&*found.url, &session.format())?;
    if let Some(path) = store.local_path().filter(|path| path.is_file()) {
        let bytes = path.metadata()?.len();
        return Ok(vec![Part { objects: 1, bytes, raw: raw(array.domain()), ..Part::default() }]);
    }
    let part = |scale: &bigarrays::format::Scale| Part {
        name: scale.key.clone(),
        prefix: format!("{}/", scale.key.trim_matches('/')),
        raw: raw(&scale.domain),
        ..Part::default()
    };
    let mut parts: Vec<Part> = array.scales().iter().map(part).collect();
    if parts.is_empty() {
        parts.push(Part { raw: raw(array.domain()), ..Part::default() });
    }
    let mut other = Part { name: OTHER.to_owned(), ..Part::default() };
    store.list("", &mut |key, bytes| {
        // The longest key that fits: one scale's folder may lie in another's.
        let scale = parts.iter_mut().filter(|part| key.starts_with(&part.prefix));
        scale.max_by_key(|part| part.prefix.len()).unwrap_or(&mut other).count(bytes);
        Ok(())
    })?;
    parts.push(other);
    Ok(parts)
}
