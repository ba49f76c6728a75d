//! Plans in words, as data and as a picture.

use std::fmt;

use serde_json::{Value, json};

use crate::compute::cuts::Cuts;
use crate::compute::plan::{Flow, HeldBoxes, Pass, Plan, Terms};

/// The width and the height of a pass in a picture, and the room between passes.
const BOX: (usize, usize, usize) = (640, 104, 24);

/// What passes read of an array: where it is, what it is called, the bytes of its chunks, and those that each pass reads.
struct Readings<'a> {
    place: &'a str,
    name: &'a str,
    once: u64,
    passes: Vec<(usize, u64)>,
}

impl Pass {
    /// The most elements of a block along each axis.
    fn lengths(&self) -> Vec<u64> {
        self.blocks.cuts.iter().map(Cuts::longest).collect()
    }

    /// What is said of it, a line each.
    fn lines(&self) -> [String; 3] {
        let lengths: Vec<String> = self.lengths().iter().map(ToString::to_string).collect();
        let lengths = if lengths.is_empty() { "1".to_owned() } else { lengths.join(" × ") };
        let Terms { results, blocks, halo, decoding, tiles, versions, labels } = self.terms;
        let some =
            |what: &str, bytes| if bytes > 0 { format!(", {what} {}", mib(bytes)) } else { String::new() };
        let (halo, versions, labels) =
            (some("halo", halo), some("versions", versions), some("labels up to", labels));
        let alone = if self.is_shared { ", in one process: blocks share chunks or shards" } else { "" };
        [
            format!("blocks   {} of up to {lengths}, {} at once{alone}", self.blocks.len(), self.in_flight),
            format!("reads    {} chunks, {} decoded", self.chunks_read, mib(self.bytes_read)),
            format!(
                "memory   results {}, blocks {}{halo}, decoding {}, tiles {}{versions}{labels}",
                mib(results),
                mib(blocks),
                mib(decoding),
                mib(tiles)
            ),
        ]
    }
}

impl Flow {
    fn json(&self) -> Value {
        let Self { codecs, is_sharded, count, bytes } = self;
        json!({ "codecs": codecs, "sharded": is_sharded, "count": count, "bytes": bytes })
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl Plan {
    /// The plan in words: each pass, its blocks, what it reads, and what its memory is for.
    pub fn explain(&self) -> String {
        self.to_string()
    }

    /// The plan as JSON: an object with the budget and the peak in bytes, and a list of passes; where results are made in boxes, those of
    /// the first box, and how many boxes there are and what all of them read; the last passes are those that go on from box to box, if there are
    /// any, and are of all elements.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let lazy = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
    /// let plan = lazy.sum(&[])?.plan(None, &ComputeOptions::default())?;
    /// assert!(plan.json().contains(r#""computes":"sum(memory, axis=[0])""#));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    pub fn json(&self) -> String {
        let pass = |pass: &Pass| -> Value {
            let Terms { results, blocks, halo, decoding, tiles, versions, labels } = pass.terms;
            json!({
                "computes": pass.text,
                "blocks": pass.blocks.len(),
                "block_shape": pass.lengths(),
                "in_flight": pass.in_flight,
                "chunks_read": pass.chunks_read,
                "bytes_read": pass.bytes_read,
                "bytes": pass.bytes,
                "loops": pass.loops,
                "reads": pass.reads.iter().map(Flow::json).collect::<Value>(),
                "writes": pass.writes.iter().map(Flow::json).collect::<Value>(),
                "in_one_process": pass.is_shared,
                "memory": {
                    "results": results,
                    "blocks": blocks,
                    "halo": halo,
                    "decoding": decoding,
                    "tiles": tiles,
                    "versions": versions,
                    "labels": labels,
                },
            })
        };
        let passes: Vec<Value> = self.passes.iter().map(pass).collect();
        let boxes = |boxes: &HeldBoxes| {
            let reads: Value = boxes.reads.iter().map(Flow::json).collect();
            let carried = boxes.carried;
            json!({ "count": boxes.boxes.len(), "held": boxes.bytes, "reads": reads, "carried": carried })
        };
        json!({
            "boxes": self.boxes.as_ref().map(boxes),
            "memory": self.memory,
            "peak_memory": self.peak_memory,
            "scratch": self.scratch,
            "notes": self.said().collect::<Vec<_>>(),
            "passes": passes,
        })
        .to_string()
    }

    /// What is said of all passes.
    fn said(&self) -> impl Iterator<Item = String> {
        self.notes.iter().cloned().chain(self.readings())
    }

    /// In words, how often inputs are read that are not read once, and why.
    fn readings(&self) -> Vec<String> {
        let mut inputs: Vec<Readings<'_>> = Vec::new();
        for (pass, planned) in self.passes.iter().enumerate() {
            for read in &planned.inputs {
                let Some((place, name)) = &read.name else { continue };
                let known = match inputs.iter_mut().find(|known| known.place == place) {
                    Some(known) => known,
                    None => {
                        inputs.push(Readings { place, name, once: 0, passes: Vec::new() });
                        let last = inputs.len() - 1;
                        &mut inputs[last]
                    }
                };
                known.once = known.once.max(read.once);
                // Of several views in one pass each is read for itself.
                match known.passes.last_mut().filter(|last| last.0 == pass) {
                    Some(last) => last.1 = last.1.saturating_add(read.bytes),
                    None => known.passes.push((pass, read.bytes)),
                }
            }
        }
        inputs.iter().filter_map(|input| self.reading(input.name, input.once, &input.passes)).collect()
    }

    /// How often an input is read, by the bytes of each pass that reads it.
    fn reading(&self, name: &str, once: u64, reads: &[(usize, u64)]) -> Option<String> {
        let times = |bytes: u64| bytes as f64 / once.max(1) as f64;
        let all: f64 = reads.iter().map(|read| times(read.1)).sum();
        if all < 1.05 {
            return None;
        }
        let of_pass = |(pass, bytes): &(usize, u64)| {
            let why = match times(*bytes) {
                once if once < 1.05 => "",
                _ if self.passes[*pass].terms.halo > 0 => {
                    ", since neighbouring blocks need some elements both"
                }
                _ => ", since blocks do not end where its chunks do",
            };
            format!("{:.1} in pass {}{why}", times(*bytes), pass + 1)
        };
        let of_passes: Vec<String> = reads.iter().map(of_pass).collect();
        let why = if reads.len() > 1 {
            "; a pass begins when all that it takes of earlier ones is known"
        } else {
            ""
        };
        Some(format!("reads {name} {all:.1} times: {}{why}", of_passes.join(", ")))
    }

    /// What all passes take.
    fn needs(&self) -> String {
        let needs = format!("at most {} of the budget of {}", mib(self.peak_memory), mib(self.memory));
        match self.scratch {
            0 => needs,
            scratch => format!("{needs}, and {} of scratch files", mib(scratch)),
        }
    }

    /// The plan as a picture: an SVG document with a box for each pass, in their order.
    pub fn svg(&self) -> String {
        let (width, height, room) = BOX;
        let all = self.passes.len() * (height + room) + 40;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{all}\" font-family=\"monospace\" \
             font-size=\"13\">\n",
            width + 20
        );
        for (number, pass) in self.passes.iter().enumerate() {
            let top = 10 + number * (height + room);
            if number > 0 {
                let middle = 10 + width / 2;
                let (from, to) = (top - room, top);
                svg += &format!(
                    "<path d=\"M{middle} {from} V{to} m-5 -8 l5 8 l5 -8\" fill=\"none\" stroke=\"#555\"/>\n"
                );
            }
            svg += &format!(
                "<rect x=\"10\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#f4f6fa\" \
                 stroke=\"#456\"/>\n"
            );
            let title = format!("pass {}: {}", number + 1, shortened(&pass.text, 70));
            for (line, text) in std::iter::once(title).chain(pass.lines()).enumerate() {
                let (y, weight) = (top + 24 + 22 * line, if line == 0 { "bold" } else { "normal" });
                let text = escaped(&shortened(&text, 78));
                svg += &format!(
                    "<text x=\"22\" y=\"{y}\" font-weight=\"{weight}\" xml:space=\"preserve\">{text}</text>\n"
                );
            }
        }
        svg + &format!("<text x=\"22\" y=\"{}\">{}</text>\n</svg>\n", all - 16, self.needs())
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pass) in self.passes.iter().enumerate() {
            writeln!(f, "pass {}: {}", number + 1, pass.text)?;
            pass.lines().iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        self.said().try_for_each(|note| writeln!(f, "{note}"))?;
        f.write_str(&self.needs())
    }
}
