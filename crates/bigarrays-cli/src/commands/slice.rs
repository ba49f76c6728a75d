//! `slice`: a picture of planes of an array.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use bigarrays::format::ScaleSelector;
use bigarrays::jobs::{Color, ColorMap, Contrast, PictureOptions, Pixels, Planes, Projection, picture};
use bigarrays::{Array, Domain, Error, Result};
use clap::Args;

use crate::args::heading::{PLANES, RUN};
use crate::args::values;
use crate::output::results;
use crate::session::Session;

/// Draw a plane of an array, several side by side, or a projection of them, as a PNG
///
/// Of each pixel the element in its middle is read, from the coarsest scale that has enough of them. Labels have colours of their
/// own, the same on every machine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays slice em --z 100 -o out.png
  bigarrays slice em --z 0:100:10 -o montage.png --captions --scale-bar
  bigarrays slice em --y 50 --box 0:512,0:512,0:100 --overlay segmentation -o out.png
  bigarrays slice temperature.zarr --at time=3 --color-map viridis --contrast 250,310 -o out.png
  bigarrays slice em --z 0:100 --projection max --contrast type -o out.png")]
pub(crate) struct SliceArgs {
    /// Path or URL of the array
    url: String,

    /// The PNG file to write; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,

    /// The plane along x: a coordinate, or several as START:STOP or START:STOP:STEP
    #[arg(long, help_heading = PLANES, value_name = "PLANES", allow_hyphen_values = true)]
    x: Option<Planes>,

    /// The plane along y
    #[arg(long, help_heading = PLANES, value_name = "PLANES", allow_hyphen_values = true)]
    y: Option<Planes>,

    /// The plane along z
    #[arg(long, help_heading = PLANES, value_name = "PLANES", allow_hyphen_values = true)]
    z: Option<Planes>,

    /// The plane along any axis, by its name or number, as time=3 or 0=5:20:5; several channels are drawn together
    #[arg(long, help_heading = PLANES, value_name = "AXIS=PLANES")]
    at: Vec<String>,

    /// The box that is drawn [default: all]
    #[arg(long = "box", help_heading = PLANES, value_name = "BOX", allow_hyphen_values = true)]
    region: Option<Domain>,

    /// How several planes become one: max or mean [default: they are drawn side by side]
    #[arg(long, help_heading = PLANES, value_name = "NAME")]
    projection: Option<Projection>,

    /// The axis that goes down and the one that goes to the right, as z,x
    #[arg(long, help_heading = PLANES, value_name = "AXIS,AXIS")]
    transpose: Option<String>,

    /// The scale, by position, key or resolution; a coarser one is read if that is enough for the pixels
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,

    /// Pixels of the longer side of a plane, or exactly HEIGHT,WIDTH [default: one an element, up to 2048 for all]
    #[arg(long, value_name = "N")]
    pixels: Option<String>,

    /// What is black and what is white: LOW,HIGH, percentiles as 1%,99%, or type for all that the type has
    /// [default: 1%,99%]
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    contrast: Option<Contrast>,

    /// Colours from the least to the largest element: grey, viridis, magma or inferno
    #[arg(long, value_name = "NAME", default_value = "grey")]
    color_map: ColorMap,

    /// Colours of the channels, by names such as red or as #rrggbb
    #[arg(long, value_name = "COLOR,…", value_delimiter = ',')]
    colors: Option<Vec<Color>>,

    /// The colour of what has no value: NaN, missing values, and what is outside of the array
    #[arg(long, value_name = "COLOR")]
    missing_color: Option<Color>,

    /// Elements are labels, whatever the array says
    #[arg(long)]
    labels: bool,

    /// Path or URL of labels that are drawn over the array
    #[arg(long, value_name = "URL")]
    overlay: Option<String>,

    /// How much labels hide of what is below, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    opacity: f64,

    /// Draw a bar of a round length
    #[arg(long)]
    scale_bar: bool,

    /// Write its coordinate on each plane
    #[arg(long)]
    captions: bool,

    /// The most bytes of elements to decode; what takes more is drawn from a coarser scale or from fewer elements
    #[arg(long, help_heading = RUN, value_name = "BYTES", value_parser = values::bytes, default_value = "1G")]
    read_limit: u64,
}

pub(crate) fn run(args: &SliceArgs, session: &Session) -> anyhow::Result<()> {
    let open = session.open().read_only(true);
    let array = open.clone().scale(args.scale.clone()).open(&args.url)?;
    let overlay = args.overlay.as_ref().map(|url| open.open(url)).transpose()?;
    let options = PictureOptions {
        part: args.region.clone(),
        at: args.planes(&array)?,
        axes: args.transpose.as_deref().map(|names| shown(&array, names)).transpose()?,
        projection: args.projection,
        pixels: args.pixels.as_deref().map(pixels).transpose()?,
        contrast: args.contrast,
        labels: args.labels.then_some(true),
        overlay: overlay.as_ref(),
        opacity: args.opacity,
        color_map: args.color_map,
        colors: args.colors.clone(),
        missing_color: args.missing_color.unwrap_or(Color::MISSING),
        scale_bar: args.scale_bar,
        captions: args.captions,
        read_limit: args.read_limit,
    };
    let drawn = picture(&array, &options)?;
    drawn.notes().iter().for_each(|note| session.terminal.note(format_args!("note: {note}")));
    args.write(&drawn.png()?)?;
    let (width, height) = (drawn.width(), drawn.height());
    let contrast: Vec<String> =
        drawn.contrast().iter().map(|(low, high)| format!("{low} to {high}")).collect();
    let contrast = if contrast.is_empty() {
        String::new()
    } else {
        format!(", {} of black to white", contrast.join(" and "))
    };
    session.terminal.note(format_args!("drew {width} × {height} pixels of {}{contrast}", args.url));
    Ok(())
}

/// The position of an axis, from its name or number.
pub(crate) fn position(array: &Array, name: &str) -> Result<usize> {
    let names = array.axis_names();
    let by_name = names.iter().position(|known| *known == name);
    let by_number = || name.parse().ok().filter(|&number: &usize| number < array.ndim());
    by_name.or_else(by_number).ok_or_else(|| {
        Error::invalid(format!("no axis is called {name}; there are {}", names.join(","))).at(array.url())
    })
}

/// The axes that go down and to the right.
fn shown(array: &Array, names: &str) -> Result<[usize; 2]> {
    let names: Vec<&str> = match names.contains(',') {
        true => names.split(',').map(str::trim).collect(),
        false => names.split("").filter(|letter| !letter.is_empty()).collect(),
    };
    let [down, right] = names[..] else {
        return Err(Error::invalid("--transpose: expected two axes, as z,x"));
    };
    Ok([position(array, down)?, position(array, right)?])
}

fn pixels(text: &str) -> Result<Pixels> {
    let wrong = || Error::invalid(format!("--pixels {text}: expected a number, or HEIGHT,WIDTH"));
    let number = |part: &str| part.trim().parse().ok().filter(|&pixels: &u32| pixels > 0).ok_or_else(wrong);
    match text.split_once(',') {
        Some((height, width)) => Ok(Pixels::Exact { height: number(height)?, width: number(width)? }),
        None => Ok(Pixels::Longest(number(text)?)),
    }
}

impl SliceArgs {
    /// The planes that are drawn, by the positions of their axes.
    fn planes(&self, array: &Array) -> Result<Vec<(usize, Planes)>> {
        let mut all = Vec::new();
        for (name, planes) in [("x", self.x), ("y", self.y), ("z", self.z)] {
            if let Some(planes) = planes {
                all.push((position(array, name)?, planes));
            }
        }
        for given in &self.at {
            let wrong = || Error::invalid(format!("--at {given}: expected AXIS=PLANES, as time=3"));
            let (name, planes) = given.split_once('=').ok_or_else(wrong)?;
            all.push((position(array, name.trim())?, planes.parse()?));
        }
        Ok(all)
    }

    fn write(&self, png: &[u8]) -> anyhow::Result<()> {
        if self.output.as_os_str() == "-" {
            let mut out = results();
            out.write_all(png)?;
            return Ok(out.flush()?);
        }
        let failed = |error| Error::io(error, "writing", self.output.display().to_string());
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).create_new(!self.overwrite);
        let mut file = options.open(&self.output).map_err(failed)?;
        file.write_all(png).map_err(failed)?;
        Ok(())
    }
}
