//! How fast a layer's codec is alone: its chunks are held in memory, and decoded or encoded there by a
//! number of threads, with nothing around it. What `bench/run` calls the limit of an encoding.
//!
//! `bare_codec LAYER THREADS`, then lines of `decode` or `encode` and numbers of chunks (none: all),
//! in the order of the grid, first axis fastest. Each is answered with a line: seconds.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bigarrays::Array;
use bigarrays::base::buffer::{Region, View, ViewMut};
use bigarrays::chunk::codec::ChunkSpec;
use bigarrays::chunk::layout::Layout;

type Failure = Box<dyn Error + Send + Sync>;

struct Chunk {
    spec: ChunkSpec,
    encoded: Vec<u8>,
    elements: Vec<u8>,
}

fn decode(layout: &Layout, chunk: &Chunk, out: &mut [u8]) -> Result<(), bigarrays::Error> {
    let mut view = ViewMut::dense(out, &chunk.spec.shape, chunk.spec.dtype.size(), layout.order)?;
    layout.codecs.decode(&chunk.encoded, &chunk.spec, &Region::whole(&chunk.spec.shape), &mut view)
}

fn load(array: &Array, index: &[u64]) -> Result<Chunk, Failure> {
    let layout = array.layout();
    let spec = layout.chunk_spec(index);
    let key = layout.chunk_key(index);
    let encoded = array.store().read(&key)?.ok_or_else(|| format!("there is no {key}"))?;
    let mut chunk = Chunk { encoded, elements: vec![0; spec.byte_len()?], spec };
    let mut elements = std::mem::take(&mut chunk.elements);
    decode(layout, &chunk, &mut elements)?;
    Ok(Chunk { elements, ..chunk })
}

/// Decodes or encodes the chunks of `order`, shared out among the threads.
fn run(
    layout: &Layout,
    chunks: &[Chunk],
    order: &[usize],
    threads: usize,
    decoding: bool,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Failure> {
        let (mut out, mut encoded) = (vec![0; chunks[0].elements.len()], Vec::new());
        while let Some(chunk) = order.get(next.fetch_add(1, Ordering::Relaxed)).map(|&k| &chunks[k]) {
            if decoding {
                decode(layout, chunk, &mut out[..chunk.elements.len()])?;
            } else {
                let item = chunk.spec.dtype.size();
                let view = View::dense(&chunk.elements, &chunk.spec.shape, item, layout.order)?;
                layout.codecs.encode(&view, &chunk.spec, &mut encoded)?;
            }
        }
        Ok(())
    };
    if threads == 1 || order.len() == 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, threads] = &arguments[..] else { return Err("usage: bare_codec LAYER THREADS".into()) };
    let threads: usize = threads.parse()?;
    let array = Array::open(path)?;
    let grid = &array.layout().grid;
    let chunks: Vec<Chunk> =
        grid.project(grid.domain()).iter().map(|part| load(&array, &part.index)).collect::<Result<_, _>>()?;
    let all: Vec<usize> = (0..chunks.len()).collect();
    let mut answers = std::io::stdout().lock();
    writeln!(answers, "ready")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let decoding = words.next() == Some("decode");
        let asked: Vec<usize> = words.map(str::parse).collect::<Result<_, _>>()?;
        let order = if asked.is_empty() { &all } else { &asked };
        let start = Instant::now();
        run(array.layout(), &chunks, order, threads, decoding)?;
        writeln!(answers, "{}", start.elapsed().as_secs_f64())?;
    }
    Ok(())
}
