//! `view`: arrays in Neuroglancer, in a browser.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use bigarrays::base::text::redact;
use bigarrays::{Error, OpenOptions};
use bigarrays_serve::{Affine, Layer, Pyramid, ViewOptions, Viewer};
use clap::Args;
use serde_json::{Map, Value};

use crate::args::values::{self, List};
use crate::commands::find;
use crate::interrupt;
use crate::output::results;
use crate::session::Session;

/// Look at arrays in Neuroglancer, in a browser
///
/// Starts a server on this machine that shows arrays of any format where you look, without converting them and without the
/// network, prints its address, and opens it in a browser. The server ends with Ctrl-C. Who does not know the address, which has
/// a random token in it, sees nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays view em segmentation
  bigarrays view s3://bucket/em --at 1000,2000,300 --layout xy
  bigarrays view nuclei.npy labels.npy --labels labels.npy --no-browser")]
pub(crate) struct ViewArgs {
    /// Paths or URLs of arrays, or of groups whose arrays are all shown
    #[arg(required = true)]
    urls: Vec<String>,

    /// One of the arrays whose elements are labels (a segmentation) rather than intensities, where metadata do not say so; may be
    /// given several times
    #[arg(long, value_name = "ARRAY")]
    labels: Vec<String>,

    /// A file of the affine matrix by which an array lies where it is shown: three or four rows of four numbers, as JSON or CSV, which
    /// take positions along x, y and z, in the array's unit, to positions. Given once for all arrays, or for each of them, in their
    /// order; `-` is for none
    #[arg(long, value_name = "FILE")]
    affine: Vec<String>,

    /// The coordinates to begin with [default: the middle of the first array]
    #[arg(long, value_name = "X,Y,Z", allow_hyphen_values = true)]
    at: Option<List<f64>>,

    /// How panels are laid out: 4panel, xy, xz, yz, 3d, xy-3d, or another layout of Neuroglancer [default: 4panel]
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<String>,

    /// A file of Neuroglancer's state as JSON; its members count more than what is made of the arrays
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Keep coarser levels of arrays that have none in this folder: they are made once, while the arrays can be seen already, and
    /// shown as soon as it is started the next time. Levels of an array that has changed are made anew
    #[arg(long, value_name = "DIR")]
    pyramid: Option<PathBuf>,

    /// Print the address, and open no browser
    #[arg(long)]
    no_browser: bool,

    /// The address to listen on; with another than that of this machine alone, whoever sees the token in an address can read the arrays
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,

    /// The port to listen on; 0 is one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,

    /// Let pages of this origin, such as https://hub.example.org, read the arrays, and proxies ask under its name; may be given
    /// several times
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Use the Neuroglancer at this address rather than the one in this program; pages of its origin may read the arrays
    #[arg(long, value_name = "URL")]
    neuroglancer: Option<String>,
}

/// How many folders of a group deep is looked for arrays, and how many are shown.
const DEPTH: usize = 4;
const MOST: usize = 64;

/// How often is looked whether to end.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &ViewArgs, session: &Session) -> anyhow::Result<()> {
    interrupt::watch()?;
    let layers = layers(args, session)?;
    let viewer = Viewer::start(&layers, &options(args)?)?;
    if !args.bind.is_loopback() {
        session.terminal.note(
            "the arrays can be read from other machines, by whoever sees the address, and without encryption",
        );
    }
    viewer.names().for_each(|name| session.terminal.detail(format_args!("shows {name}")));
    let mut out = results();
    writeln!(out, "{}", viewer.url())?;
    out.flush()?;
    drop(out);
    if !args.no_browser && !opened(viewer.url()) {
        session.terminal.note("no browser could be started; open the address in one");
    }
    session.terminal.note("Ctrl-C ends the server");
    let mut known = vec![None; viewer.pyramids().len()];
    while !interrupt::is_asked() {
        say(&viewer, &mut known, session);
        std::thread::sleep(PAUSE);
    }
    say(&viewer, &mut known, session);
    Ok(())
}

/// Says what has become of levels that are kept, once.
fn say(viewer: &Viewer, known: &mut [Option<Pyramid>], session: &Session) {
    for ((name, known), now) in viewer.names().zip(known).zip(viewer.pyramids()) {
        match &now {
            _ if now == *known => continue,
            Some(Pyramid::Ready) => {
                session.terminal.note(format_args!("the coarser levels of {name} are kept"));
            }
            Some(Pyramid::Failed(reason)) => {
                session.terminal.note(format_args!("the coarser levels of {name} are not kept: {reason}"));
            }
            Some(Pyramid::Making(0)) => {
                session.terminal.note(format_args!("the coarser levels of {name} are being made"));
            }
            _ => {}
        }
        *known = now;
    }
}

fn layers(args: &ViewArgs, session: &Session) -> anyhow::Result<Vec<Layer>> {
    let mut layers = Vec::new();
    let affines = affines(args)?;
    let add = |layers: &mut Vec<Layer>,
               url: &str,
               (is_named, affine): (bool, Option<Affine>)|
     -> anyhow::Result<()> {
        let options: OpenOptions = session.open().read_only(true);
        let array = options.open(url)?;
        array.notes().iter().for_each(|note| session.terminal.note(format_args!("note: {note}")));
        let name = redact(url.trim_end_matches('/'));
        let name =
            name.rsplit(['/', '\\']).find(|part| !part.is_empty() && !part.ends_with(':')).unwrap_or("array");
        let layer = affine.into_iter().fold(Layer::new(name, array), Layer::affine);
        layers.push(if is_named { layer.labels(true) } else { layer });
        Ok(())
    };
    for (url, affine) in args.urls.iter().zip(affines) {
        let is_named = args.labels.contains(url);
        let mut below = Vec::new();
        find::arrays(url, DEPTH, session, &mut |found| {
            below.push(found.url);
            Ok(())
        })?;
        // What is no group is there itself, and maybe others below it.
        let all = if below.iter().any(|found| found == url) { vec![url.clone()] } else { below };
        if all.len() + layers.len() > MOST {
            let reason = format!("there are more than {MOST} arrays below {url}; name those to be shown");
            return Err(Error::invalid(reason).into());
        }
        all.iter().try_for_each(|url| add(&mut layers, url, (is_named, affine)))?;
    }
    match args.labels.iter().find(|name| !args.urls.contains(name)) {
        Some(name) => {
            Err(Error::invalid(format!("--labels names {name:?}, which is none of the arrays")).into())
        }
        None => Ok(layers),
    }
}

/// Where each of the arrays lies.
fn affines(args: &ViewArgs) -> anyhow::Result<Vec<Option<Affine>>> {
    let read = |path: &String| -> anyhow::Result<Option<Affine>> {
        if path == "-" {
            return Ok(None);
        }
        let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
        Ok(Some(Affine::parse(&text).map_err(|error| error.during("reading").at(path.clone()))?))
    };
    let (given, count) = (args.affine.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?, args.urls.len());
    match given[..] {
        [] => Ok(vec![None; count]),
        [one] => Ok(vec![one; count]),
        _ if given.len() == count => Ok(given),
        _ => {
            Err(Error::invalid(format!("--affine is given {} times, for {count} arrays", given.len())).into())
        }
    }
}

fn options(args: &ViewArgs) -> anyhow::Result<ViewOptions> {
    let state = match &args.state {
        None => Map::new(),
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            match values::json(&text).map_err(Error::invalid)? {
                Value::Object(state) => state,
                _ => return Err(Error::invalid(format!("{} is no object of JSON", path.display())).into()),
            }
        }
    };
    Ok(ViewOptions {
        bind: args.bind,
        port: args.port,
        allow_origin: args.allow_origin.clone(),
        neuroglancer: args.neuroglancer.clone(),
        at: args.at.clone().map(|at| at.0),
        layout: args.layout.clone(),
        state,
        pyramid: args.pyramid.clone(),
        ..ViewOptions::default()
    })
}

/// Whether a browser could be started.
fn opened(url: &str) -> bool {
    let known = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = std::env::var_os("BROWSER").unwrap_or_else(|| known.into());
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.is_ok()
}
