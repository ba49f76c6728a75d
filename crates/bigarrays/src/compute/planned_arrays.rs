//! Arrays, operands and expressions of plans, as other processes open them.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::array::{Array, OpenOptions, Outside};
use crate::base::buffer::{Order, View, ViewMut, byte_len};
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::text::redact;
use crate::chunk::config::{Config, Parameter};
use crate::chunk::layout::Layout;
use crate::compute::digest::Digest;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::fields;
use crate::compute::held::NAME as HELD;
use crate::compute::memory::lengths;
use crate::compute::restored::{self, FindFunction};
use crate::compute::source::Foreign;
use crate::format::CreateSpec;

/// The most bytes of elements in memory that are written into the file.
const INLINE: u64 = 1 << 20;

/// Bytes of elements that are written to a file of their own at once.
const SLAB: u64 = 64 << 20;

/// All of an array that its elements depend on but its chunks: where it is, and its metadata.
fn digest_of(array: &Array) -> String {
    let config = Config::new("array")
        .with("location", array.store().location(""))
        .with("layouts", array.layouts().map(Layout::config).collect::<Parameter>());
    Digest::of_text(&config.key())
}

/// An array as other processes open it.
pub(super) fn described(array: &Array) -> Result<Value> {
    let url = array.url();
    if url.starts_with("memory:") {
        let reason = "an array of memory:// is in this process alone; a plan is for others";
        return Err(Error::invalid(reason).at(url));
    }
    if redact(url) != url {
        let reason =
            "this URL may hold a secret, which a plan must not; give it by options or the environment";
        return Err(Error::invalid(reason).at(url));
    }
    let url = match url.contains("://") {
        true => url.to_owned(),
        false => {
            let path = absolute(Path::new(url))?;
            path.to_str().ok_or_else(|| not_utf8(&path))?.to_owned()
        }
    };
    let scale = match array.scales().get(array.scale()) {
        Some(scale) => json!(scale.key),
        None => json!(array.scale()),
    };
    let options = array.options();
    Ok(json!({
        "url": url,
        "format": array.format(),
        "scale": scale,
        "view": array.transform().config().to_json(),
        "strict": options.strict,
        "outside": options.outside.name(),
        "drop_fill": options.drop_fill,
        "digest": digest_of(array),
    }))
}

/// The array that was described.
pub(super) fn opened(value: &Value, opening: &OpenOptions, is_input: bool) -> Result<Array> {
    let url = fields::text(value, "url")?;
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).ok_or_else(no_plan);
    let outside = match fields::text(value, "outside")? {
        "crop" => Outside::Crop,
        _ => Outside::Error,
    };
    let options = opening
        .clone()
        .format(fields::text(value, "format")?)
        .read_only(is_input)
        .strict(flag("strict")?)
        .outside(outside)
        .drop_fill(flag("drop_fill")?);
    let scale = value.get("scale").ok_or_else(no_plan)?;
    let options = match (scale.as_str(), scale.as_u64()) {
        (Some(key), _) => options.scale(key),
        (None, Some(number)) => options.scale(number as usize),
        (None, None) => return Err(no_plan()),
    };
    let array = options.open(url)?;
    if digest_of(&array) != fields::text(value, "digest")? {
        let reason =
            "the array is not as it was when this was planned: its place or its metadata have changed";
        return Err(Error::invalid(reason).at(url.to_owned()));
    }
    let array = array.with_transform(restored::transform(value.get("view").ok_or_else(no_plan)?)?)?;
    match value.get("elements") {
        Some(elements) if elements.as_str() != Some(&elements_of(&array)?) => {
            let reason = "the elements of this operand are not those that this was planned with";
            Err(Error::invalid(reason).at(url.to_owned()))
        }
        _ => Ok(array),
    }
}

/// What the expressions of a plan are of, as it is collected.
pub(super) struct Inputs {
    pub(super) arrays: Vec<Value>,
    /// The plan, beside which operands are written that are large.
    pub(super) plan: PathBuf,
}

impl Inputs {
    pub(super) fn leaf(&mut self, lazy: &Lazy) -> Result<Config> {
        match lazy.kind() {
            Kind::Source(array) if array.format() == HELD => {
                let (shape, item) = (lengths(array.domain())?, array.dtype().size());
                if byte_len(&shape, item)? as u64 > INLINE {
                    let read = |part: &Domain, out: ViewMut<'_>| array.read_into(part, out);
                    return self.spilled(lazy, &read);
                }
                let mut bytes = vec![0; byte_len(&shape, item)?];
                array.read_into(array.domain(), ViewMut::dense(&mut bytes, &shape, item, Order::C)?)?;
                Ok(Config::new("elements").with("base64", BASE64_STANDARD.encode(&bytes)))
            }
            Kind::Source(array) => self.array(array),
            Kind::Foreign(source) if source.is_in_memory() => {
                let read = |part: &Domain, out: ViewMut<'_>| Foreign::read(source, part, out);
                self.spilled(lazy, &read)
            }
            Kind::Foreign(source) => {
                let reason = "other processes cannot read it; save it to an array first";
                Err(Error::invalid(format!("{}: {reason}", source.name())))
            }
            Kind::Operation(of, number, _) => of.config(*number)?.ok_or_else(|| {
                Error::invalid(format!(
                    "{}: other processes have not this function; save what it gives to an array first",
                    of.name
                ))
            }),
            _ => Err(Error::invalid("this is no expression that other processes read")),
        }
    }

    fn array(&mut self, array: &Array) -> Result<Config> {
        self.arrays.push(described(array)?);
        Ok(Config::new("array").with("number", self.arrays.len() - 1))
    }

    /// Elements in memory, in a file of their own.
    fn spilled(&mut self, lazy: &Lazy, read: &dyn Fn(&Domain, ViewMut<'_>) -> Result<()>) -> Result<Config> {
        let mut name = self.plan.file_name().unwrap_or_default().to_owned();
        name.push(format!(".operand-{}.npy", self.arrays.len()));
        let path = self.plan.with_file_name(name);
        let url = path.to_str().ok_or_else(|| not_utf8(&path))?;
        let spec = CreateSpec::new(lazy.dtype(), Domain::from_shape(lazy.domain().shape())?);
        let array = OpenOptions::new().format("npy").create(url, &spec)?;
        let array = array.translate_to(lazy.domain().origin())?;
        let item = lazy.dtype().size();
        for part in slabs(lazy.domain(), item)? {
            let shape = lengths(&part)?;
            let mut bytes = vec![0; byte_len(&shape, item)?];
            read(&part, ViewMut::dense(&mut bytes, &shape, item, Order::C)?)?;
            array.write_from(&part, View::dense(&bytes, &shape, item, Order::C)?)?;
        }
        let operand = self.array(&array)?;
        if let Some(described) = self.arrays.last_mut() {
            described["elements"] = elements_of(&array)?.into();
        }
        Ok(operand)
    }
}

/// The digest of all elements of an operand.
fn elements_of(array: &Array) -> Result<String> {
    let mut sum = Digest::default();
    for (number, part) in slabs(array.domain(), array.dtype().size())?.iter().enumerate() {
        sum.add(&number.to_string(), Some(Digest::of_elements(array, part)?.0));
    }
    Ok(format!("{:032x}", sum.0))
}

/// Boxes along the first axis.
fn slabs(domain: &Domain, item: usize) -> Result<Vec<Domain>> {
    let row = domain.shape().iter().skip(1).fold(item as u64, |all, &length| all.saturating_mul(length));
    let rows = (SLAB / row.max(1)).max(1);
    let first = domain.range(0);
    let starts = (first.start..first.end).step_by(usize::try_from(rows).unwrap_or(usize::MAX));
    let slab = |start: i64| {
        let end = start.saturating_add_unsigned(rows).min(first.end);
        let ranges = std::iter::once(start..end).chain(domain.ranges().skip(1));
        Domain::from_ranges(&ranges.collect::<Vec<_>>())
    };
    starts.map(slab).collect()
}

/// The expressions of a plan.
///
/// # Errors
/// `InvalidArgument` for what is no plan, or if an array is not as it was; those of opening arrays.
pub(super) fn read_roots(
    whole: &Value,
    opening: &OpenOptions,
    functions: Option<&FindFunction<'_>>,
) -> Result<Vec<Lazy>> {
    let inputs = whole.get("inputs").and_then(Value::as_array).ok_or_else(no_plan)?;
    let arrays = inputs.iter().map(|input| opened(input, opening, true)).collect::<Result<Vec<_>>>()?;
    let expressions = whole.get("expressions").ok_or_else(no_plan)?;
    restored::read(expressions, functions, &mut |name, node| match name {
        "array" => {
            let number =
                node.get("number").and_then(Value::as_u64).and_then(|number| arrays.get(number as usize));
            Lazy::of(number.ok_or_else(no_plan)?)
        }
        "elements" => {
            let bytes = BASE64_STANDARD.decode(fields::text(node, "base64")?).map_err(|_| no_plan())?;
            Lazy::of_elements(&fields::domain(fields::text(node, "domain")?)?, fields::number(node)?, &bytes)
        }
        _ => Err(no_plan()),
    })
}

pub(super) fn no_plan() -> Error {
    Error::invalid("this is no plan, or it is damaged")
}

pub(super) fn not_utf8(path: &Path) -> Error {
    Error::invalid("the name of a file has to be UTF-8").at(path.display().to_string())
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io(error, "finding", path.display().to_string()))
}
