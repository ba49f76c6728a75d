//! A viewer: a server of layers, as long as it lives.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bigarrays::{Error, ErrorKind, Result, threads};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::answer::Content;
use crate::dimensions::of_all;
use crate::guard::Guard;
use crate::info::{info, listed};
use crate::keeper::Keeper;
use crate::kept::Pyramid;
use crate::layer::{Layer, Served};
use crate::server::{Counts, Shared, listen, serve};
use crate::state::{HERE, Wishes, state};
use crate::tiles::Tiles;

/// How a viewer is served, and what it begins with.
#[derive(Clone, Debug)]
pub struct ViewOptions {
    /// The address that is listened on; that of this machine alone unless something else is said.
    pub bind: IpAddr,
    /// The port; one that is free if it is zero.
    pub port: u16,
    /// Origins, such as `https://hub.example.org`, whose pages may read what is served, and which are names of the server.
    pub allow_origin: Vec<String>,
    /// The address of a Neuroglancer to be used instead of the one in this build.
    pub neuroglancer: Option<String>,
    /// The coordinates that are shown first, along x, y and z.
    pub at: Option<Vec<f64>>,
    /// How panels are laid out: one of Neuroglancer's, such as `4panel` or `xy`.
    pub layout: Option<String>,
    /// Members of Neuroglancer's state that count more than those that are made.
    pub state: Map<String, Value>,
    /// Bytes of elements that may be read to compute one tile of an expression; it is not shown from farther away than these do.
    pub tile_bytes: u64,
    /// Bytes of tiles, and of chunks that they are parts of, that are kept in memory.
    pub memory_bytes: u64,
    /// The folder that coarser levels are kept in, of arrays that have none and are found again by an address: made once, while
    /// tiles come from the array itself, and made anew when it has changed.
    pub pyramid: Option<PathBuf>,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            allow_origin: Vec::new(),
            neuroglancer: None,
            at: None,
            layout: None,
            state: Map::new(),
            tile_bytes: 1 << 30,
            memory_bytes: 256 << 20,
            pyramid: None,
        }
    }
}

/// How Neuroglancer lays panels out.
const LAYOUTS: [&str; 9] = ["4panel", "4panel-alt", "3d", "xy", "yz", "xz", "xy-3d", "yz-3d", "xz-3d"];

/// Bits of the token that is in the address.
const TOKEN_BYTES: usize = 16;

/// A server of layers, as long as this lives.
#[derive(Debug)]
pub struct Viewer {
    runtime: Option<Runtime>,
    keeper: Option<Keeper>,
    shared: Arc<Shared>,
    base: String,
    url: String,
    process: u32,
}

impl Viewer {
    /// Serves layers, and looks at a sample of each of them.
    ///
    /// ```
    /// use bigarrays::{CreateSpec, DataType, OpenOptions};
    /// use bigarrays_serve::{Layer, ViewOptions, Viewer};
    ///
    /// let spec = CreateSpec::new(DataType::U8, "-10:90,0:80,0:60".parse()?);
    /// let array = OpenOptions::new().create("memory://viewer", &spec)?;
    /// let viewer = Viewer::start(&[Layer::new("em", array)], &ViewOptions::default())?;
    /// assert!(viewer.url().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for no layers, empty arrays, an address of Neuroglancer or an origin that is none, a layout that there is not, or
    /// coordinates of axes that there are not; `Unsupported` for
    /// elements that are no numbers; `MemoryBudget` for expressions of which a tile takes too much to compute; `Storage` if the
    /// address can not be listened on; those of reading samples.
    pub fn start(layers: &[Layer], options: &ViewOptions) -> Result<Self> {
        check(layers, options)?;
        let served = |layer| Served::new(layer, options.tile_bytes, options.pyramid.is_some());
        let mut layers: Vec<Served> = layers.iter().map(served).collect::<Result<_>>()?;
        let keep = |folder: &PathBuf| Keeper::start(folder.clone(), &mut layers, options.memory_bytes);
        let keeper = options.pyramid.as_ref().map(keep).transpose()?;
        layers.iter_mut().for_each(Served::mark);
        let starting = |error| Error::io(error, "starting", "the viewer");
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .max_blocking_threads(2 * threads())
            .thread_name("bigarrays-view")
            .enable_all();
        let runtime = builder.build().map_err(starting)?;
        let listener = runtime.block_on(listen(SocketAddr::new(options.bind, options.port)))?;
        let address = listener.local_addr().map_err(starting)?;
        let token = token()?;
        let base = format!("http://{}/{token}/", reachable(address));
        let wishes =
            Wishes { at: options.at.clone(), layout: options.layout.clone(), state: options.state.clone() };
        let dimensions = of_all(&layers);
        let begins = state(&layers, &dimensions, &wishes)?.to_string();
        let described = |(layer, dimensions)| Content::of(info(layer, dimensions).to_string().into_bytes());
        let url = match &options.neuroglancer {
            Some(other) => format!("{other}#!{}", encoded(&begins.replace(HERE, &base))),
            None => base.clone(),
        };
        let mut origins = options.allow_origin.clone();
        origins.extend(options.neuroglancer.iter().filter_map(|url| origin_of(url)));
        let shared = Arc::new(Shared {
            guard: Guard::new(token, address, &origins),
            state: Content::of(begins.into_bytes()),
            layers: Content::of(listed(&layers, &dimensions).to_string().into_bytes()),
            infos: layers.iter().zip(&dimensions).map(described).collect(),
            tiles: Tiles::new(layers, options.memory_bytes),
            tag: self::token()?,
            reads: Arc::new(Semaphore::new(2 * threads())),
            counts: Counts::default(),
        });
        runtime.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { runtime: Some(runtime), keeper, shared, base, url, process: std::process::id() })
    }

    /// What to open in a browser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What all that is served lies below: the layer `k` is a precomputed volume at `arrays/k` there.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The names of the layers, as they are shown.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shared.tiles.layers.iter().map(|layer| layer.name.as_str())
    }

    /// What there is of the kept levels of each layer; `None` of those of which none are kept.
    pub fn pyramids(&self) -> Vec<Option<Pyramid>> {
        self.shared.pyramids()
    }

    /// How many reads ended early, since nobody waited for them any more.
    pub fn dropped_reads(&self) -> u64 {
        self.shared.counts.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        drop(self.keeper.take());
        if self.process == std::process::id() {
            self.shared.reads.close();
            runtime.shutdown_background();
        } else {
            // Its threads are in the parent of this process.
            std::mem::forget(runtime);
        }
    }
}

fn check(layers: &[Layer], options: &ViewOptions) -> Result<()> {
    if layers.is_empty() {
        return Err(Error::invalid("there is no array to show"));
    }
    let wrong = |what: &str, url: &str| Error::invalid(format!("{url:?} is no {what}"));
    let layout = options.layout.as_deref().filter(|layout| !LAYOUTS.contains(layout));
    if let Some(layout) = layout.filter(|_| options.neuroglancer.is_none()) {
        return Err(wrong(&format!("layout: there are {}", LAYOUTS.join(", ")), layout));
    }
    if let Some(at) = &options.at
        && !at.iter().all(|coordinate| coordinate.is_finite())
    {
        return Err(Error::invalid(format!("{at:?} are no coordinates to begin with")));
    }
    if let Some(url) =
        options.neuroglancer.as_deref().filter(|url| origin_of(url).is_none() || url.contains('#'))
    {
        return Err(wrong("address of a page, such as https://neuroglancer-demo.appspot.com", url));
    }
    match options.allow_origin.iter().find(|url| origin_of(url).as_deref() != Some(url.trim_end_matches('/')))
    {
        Some(url) => Err(wrong("origin, such as https://hub.example.org", url)),
        None => Ok(()),
    }
}

/// The scheme and host of an address.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}"))
}

/// An address that leads to one that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    let failed =
        |error: getrandom::Error| Error::new(ErrorKind::Storage, error.to_string()).during("drawing a token");
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Text as it may stand behind the `#` of an address.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'/' | b',' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
