//! `sample`: the elements at points, such as the segments at synapses.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bigarrays::flat::{Descr, FlatArray, FlatSpec};
use bigarrays::format::ScaleSelector;
use bigarrays::jobs::Number;
use bigarrays::{Array, DataType, Domain, Element, Error, OpenOptions, OutsidePoints, Result};
use clap::Args;
use csv::StringRecord;

use crate::args::values::{self, List};
use crate::output::results;
use crate::session::Session;

/// Read the elements at points
///
/// Points are rows of a CSV file or of a .npy array of as many columns as the array has axes. The result is the CSV file with
/// one column more, `value`, or a .npy array of the values. A fraction lies in the element that begins before it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bigarrays sample segmentation synapses.csv -o segments.csv --columns x,y,z
  bigarrays sample gs://bucket/segmentation synapses.csv --resolution 1,1,1 --outside fill
  bigarrays sample volume.zarr points.npy -o values.npy")]
pub(crate) struct SampleArgs {
    /// Path or URL of the array
    url: String,

    /// A file of points, .csv or .npy; `-` is CSV from standard input
    points: PathBuf,

    /// Where the result goes, .csv or .npy; by default CSV to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace an output that is there
    #[arg(long, requires = "output")]
    overwrite: bool,

    /// The columns of coordinates along the axes, by their names in the first line; by default those named like axes, or the
    /// first
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Option<Vec<String>>,

    /// The unit of the points along each axis, in that of the array's resolution: 1,1,1 are nanometres of a layer;
    /// by default points are coordinates of elements
    #[arg(long, value_name = "X,Y,Z")]
    resolution: Option<List<f64>>,

    /// What becomes of a point outside of the array: error, or fill, its fill value
    #[arg(long, value_name = "WHAT", default_value = "error", value_parser = outside)]
    outside: OutsidePoints,

    /// The scale, by position, key or resolution
    #[arg(long, value_name = "SCALE", value_parser = values::scale, default_value = "0")]
    scale: ScaleSelector,
}

fn outside(text: &str) -> std::result::Result<OutsidePoints, String> {
    match text {
        "error" => Ok(OutsidePoints::Error),
        "fill" => Ok(OutsidePoints::Fill),
        _ => Err("expected error or fill".to_owned()),
    }
}

/// Points that are read and looked up at once.
const BATCH: usize = 1 << 20;

pub(crate) fn run(args: &SampleArgs, session: &Session) -> anyhow::Result<()> {
    let array = session.open().scale(args.scale.clone()).read_only(true).open(&args.url)?;
    if !array.dtype().is_number() {
        let reason = format!("{} elements are no numbers to sample", array.dtype());
        return Err(Error::unsupported(reason).at(&args.url).into());
    }
    let sample = Sample { args, units: units(&array, args.resolution.as_ref())?, array };
    let count = match is_npy(&args.points) {
        true => sample.npy()?,
        false => sample.csv()?,
    };
    session.terminal.note(format_args!("sampled {} at {count} points", args.url));
    Ok(())
}

fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

/// What coordinates of points are multiplied with to be those of elements.
fn units(array: &Array, unit: Option<&List<f64>>) -> Result<Vec<f64>> {
    let ndim = array.ndim();
    let Some(List(unit)) = unit else { return Ok(vec![1.0; ndim]) };
    let own =
        array.resolution().ok_or_else(|| Error::invalid("--resolution: the array has none of its own"))?;
    let is_size = |size: &f64| size.is_finite() && *size > 0.0;
    if unit.len() != ndim || !unit.iter().all(is_size) {
        return Err(Error::invalid(format!(
            "--resolution: {unit:?} for the axes {}",
            array.axis_names().join(",")
        )));
    }
    Ok(unit.iter().zip(&own.size).map(|(unit, own)| unit / own).collect())
}

struct Sample<'a> {
    args: &'a SampleArgs,
    array: Array,
    units: Vec<f64>,
}

impl Sample<'_> {
    /// The bytes of the elements at `points`, one coordinate after the other.
    fn look_up(&self, points: &[i64]) -> Result<Vec<u8>> {
        let mut values = vec![0; points.len() / self.array.ndim().max(1) * self.array.dtype().size()];
        self.array.read_points_into(points, &mut values, self.args.outside)?;
        Ok(values)
    }

    /// The coordinate of the element in which a point lies along an axis.
    fn coordinate(&self, at: f64, axis: usize) -> Result<i64> {
        let place = (at * self.units[axis]).floor();
        // 2^63 is the first that is none.
        let fits = place >= i64::MIN as f64 && place < i64::MAX as f64;
        if fits { Ok(place as i64) } else { Err(Error::invalid(format!("{at} is no coordinate"))) }
    }

    /// Samples at the rows of a .npy array. Returns how many.
    fn npy(&self) -> anyhow::Result<u64> {
        let file = self.args.points.display().to_string();
        let points = OpenOptions::new().read_only(true).open(&file)?;
        let wrong = |what: String| Error::invalid(what).during("sampling at the points of").at(&file);
        let (rows, ndim) = match *points.shape() {
            [rows, columns] if columns == self.array.ndim() as u64 => (rows, self.array.ndim()),
            _ => {
                let (shape, axes) = (points.shape(), self.array.axis_names().join(","));
                return Err(wrong(format!(
                    "an array of shape {shape:?}, and no rows of coordinates along {axes}"
                ))
                .into());
            }
        };
        let Some(output) = &self.args.output else {
            return Err(
                wrong("--output is missing: values of a .npy array go to a .npy array".to_owned()).into()
            );
        };
        let mut sink = Sink::npy(output, self.array.dtype(), self.args.overwrite)?;
        for first in (0..rows).step_by(BATCH) {
            let end = rows.min(first + BATCH as u64);
            let part = Domain::from_ranges(&[first as i64..end as i64, 0..ndim as i64])?;
            let points = self.coordinates(&points, &part).map_err(|error| error.at(&file))?;
            sink.add(&[], &self.look_up(&points)?)?;
        }
        sink.finish()?;
        Ok(rows)
    }

    /// The coordinates in rows of an array of points.
    #[allow(clippy::cast_lossless, reason = "one macro for all types")]
    fn coordinates(&self, points: &Array, part: &Domain) -> Result<Vec<i64>> {
        let ndim = self.array.ndim();
        let placed = |values: Vec<f64>| {
            values
                .iter()
                .enumerate()
                .map(|(k, &at)| self.coordinate(at, k % ndim))
                .collect::<Result<Vec<i64>>>()
        };
        macro_rules! read {
            ($($dtype:ident $T:ty),*) => {
                match points.dtype() {
                    // Exact, however far out.
                    DataType::I64 if self.args.resolution.is_none() => Ok(rows::<i64>(points, part)?),
                    $(DataType::$dtype => placed(rows::<$T>(points, part)?.into_iter().map(|x| x as f64).collect()),)*
                    other => Err(Error::invalid(format!("coordinates of {other}"))),
                }
            };
        }
        read!(I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64)
    }

    /// Samples at the rows of a CSV file. Returns how many.
    fn csv(&self) -> anyhow::Result<u64> {
        let input: Box<dyn Read> = match self.args.points.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(open(&self.args.points)?),
        };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(input);
        let mut sink = Sink::new(self.args, self.array.dtype())?;
        let mut records = reader.records();
        let (mut count, mut rows) = (0, Vec::new());
        let Some(first) = records.next().transpose()? else { return sink.finish().map(|()| 0) };
        let (columns, is_heading) = self.columns(&first)?;
        if is_heading {
            sink.heading(&first)?;
        } else {
            rows.push(first);
        }
        loop {
            rows.extend(records.by_ref().take(BATCH).collect::<csv::Result<Vec<_>>>()?);
            if rows.is_empty() {
                break;
            }
            let points =
                rows.iter().map(|row| self.point(row, &columns)).collect::<Result<Vec<_>>>()?.concat();
            sink.add(&rows, &self.look_up(&points)?)?;
            count += rows.len() as u64;
            rows.clear();
        }
        sink.finish()?;
        Ok(count)
    }

    /// The columns of coordinates along the axes, and whether the first line is a heading.
    fn columns(&self, first: &StringRecord) -> Result<(Vec<usize>, bool)> {
        let find = |name: &str| first.iter().position(|field| field.eq_ignore_ascii_case(name));
        let axes = self.array.axis_names();
        if let Some(names) = &self.args.columns {
            let none = |name: &String| Error::invalid(format!("--columns: the first line has no {name:?}"));
            let columns: Vec<usize> =
                names.iter().map(|name| find(name).ok_or_else(|| none(name))).collect::<Result<_>>()?;
            if columns.len() != axes.len() {
                return Err(Error::invalid(format!(
                    "--columns: {} for the axes {}",
                    names.join(","),
                    axes.join(",")
                )));
            }
            return Ok((columns, true));
        }
        if let Some(columns) = axes.iter().map(|name| find(name)).collect() {
            return Ok((columns, true));
        }
        if first.len() < axes.len() {
            let message = format!("{} columns for the axes {}", first.len(), axes.join(","));
            return Err(Error::invalid(message).during("sampling at the points of").at(self
                .args
                .points
                .display()
                .to_string()));
        }
        // A line with some coordinates is a point of which others are missing, and what begins as a number is meant as one.
        let is_name = |field: &str| field.parse::<f64>().is_err() && !field.starts_with(begins_number);
        let is_heading = first.iter().take(axes.len()).all(is_name);
        Ok(((0..axes.len()).collect(), is_heading))
    }

    /// The coordinates that a row has.
    fn point(&self, row: &StringRecord, columns: &[usize]) -> Result<Vec<i64>> {
        let line = row.position().map_or(0, csv::Position::line);
        let one = |(axis, &column): (usize, &usize)| {
            let field = row.get(column).unwrap_or_default();
            let wrong = |_| Error::invalid(format!("line {line}: {field:?} is no coordinate"));
            match (field.parse::<i64>(), self.args.resolution.is_none()) {
                (Ok(at), true) => Ok(at),
                _ => self.coordinate(field.parse().map_err(wrong)?, axis),
            }
        };
        columns.iter().enumerate().map(one).collect()
    }
}

fn begins_number(character: char) -> bool {
    character.is_numeric() || "+-.".contains(character)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::io(error, "opening", path.display().to_string()))
}

/// All elements of a part of an array of two axes, row by row.
fn rows<T: Element>(array: &Array, part: &Domain) -> Result<Vec<T>> {
    Ok(array.read::<T>(part)?.into_data().iter().copied().collect())
}

/// Where rows and values go.
enum Sink {
    Csv(csv::Writer<Box<dyn Write>>, DataType),
    Npy(FlatArray, DataType),
}

impl Sink {
    fn new(args: &SampleArgs, dtype: DataType) -> Result<Self> {
        let out: Box<dyn Write> = match &args.output {
            Some(path) if is_npy(path) => return Self::npy(path, dtype, args.overwrite),
            Some(path) => {
                let mut options = File::options();
                let options = options.write(true).create(true).truncate(true).create_new(!args.overwrite);
                let opened = options.open(path);
                Box::new(opened.map_err(|error| Error::io(error, "creating", path.display().to_string()))?)
            }
            None => Box::new(results()),
        };
        Ok(Self::Csv(csv::Writer::from_writer(out), dtype))
    }

    fn npy(path: &Path, dtype: DataType, overwrite: bool) -> Result<Self> {
        let spec = FlatSpec { overwrite, ..FlatSpec::new(Descr::of(dtype), &[0]) };
        Ok(Self::Npy(FlatArray::create(path, &spec)?, dtype))
    }

    fn heading(&mut self, names: &StringRecord) -> anyhow::Result<()> {
        if let Self::Csv(out, _) = self {
            out.write_record(names.iter().chain(["value"]))?;
        }
        Ok(())
    }

    fn add(&mut self, rows: &[StringRecord], values: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Npy(out, dtype) => {
                out.append((values.len() / dtype.size()) as u64, values)?;
            }
            Self::Csv(out, dtype) => {
                for (row, value) in rows.iter().zip(values.chunks_exact(dtype.size())) {
                    let value = Number::read(*dtype, value).to_string();
                    out.write_record(row.iter().chain([&value[..]]))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(mut out, _) => Ok(out.flush()?),
            Self::Npy(out, _) => Ok(out.flush()?),
        }
    }
}
