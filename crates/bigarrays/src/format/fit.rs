//! Fits new arrays into formats. An option that a format does not have is refused if the user asks for it. If the new array
//! is like another one, the option is adapted, with a note of what is lost.
//!
//! Here, and nowhere else, it is decided which options a format has; formats say so as data ([`Holds`]), and
//! [`optional`](super::optional) has the table. Whether a value of an option is a good one, the format or the codec says
//! when it creates.

use serde_json::Value;

use super::axis::AxisSpec;
use super::holds::{Codecs, Holds, Missing, Sizes, Start};
use super::missing;
use super::optional::{ARRAY, OF_LAYER, Optional, STORAGE};
use super::registry;
use super::spec::{ArraySpec, CreateSpec, StorageSpec};
use super::traits::Create;
use crate::base::buffer::Order;
use crate::base::error::{Error, Result};

/// An error if `spec` asks for what `format` does not hold.
///
/// # Errors
/// `InvalidArgument` that names the option, and the formats that have it; `Unsupported` for elements that are no numbers.
pub(super) fn expect_held(format: &dyn Create, spec: &CreateSpec) -> Result<()> {
    let holds = format.holds();
    let dtype = spec.array.dtype;
    if !dtype.is_number() {
        return Err(Error::unsupported(format!(
            "dtype: {dtype} elements are read, and new arrays do not have them"
        )));
    }
    for option in ARRAY.iter().chain(&STORAGE) {
        // What is wrong with a list of codecs, whoever reads it says best.
        let is_read = option.name == "codecs" && matches!(holds.codecs, Codecs::Any(_));
        if (option.is_given)(spec) && !is_read && !(option.is_held)(holds, spec) {
            return Err(lacks(format.name(), option, spec));
        }
    }
    let attributes = spec.array.attributes.iter().flatten();
    if let Some((name, _)) = attributes.into_iter().find(|(name, _)| holds.reserves(name)) {
        let name_of = format.name();
        return Err(Error::invalid(format!(
            "{name_of} has the attribute {name:?} for itself; choose another name"
        )));
    }
    let ndim = spec.array.domain.ndim();
    if let Some(sizes) = spec.array.resolution.as_ref().filter(|sizes| !fits(holds, sizes, ndim)) {
        return Err(Error::invalid(format!("a resolution {sizes:?} of {ndim} axes")));
    }
    if spec.array.resolution.is_none() && spec.array.unit.is_some() {
        return Err(Error::invalid("unit: of no resolution; give one as well"));
    }
    if spec.storage.codecs.is_some() && (spec.storage.encoding.is_some() || spec.storage.level.is_some()) {
        return Err(Error::invalid("give either codecs, or an encoding and its level"));
    }
    spec.storage.check_order()
}

/// As [`expect_held`], of a scale that is added to a layer.
///
/// # Errors
/// `InvalidArgument` that names the option.
pub(super) fn expect_held_of_scale(format: &dyn Create, spec: &CreateSpec) -> Result<()> {
    if spec.array.attributes.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(Error::invalid("attributes: a layer has them, and not its scales; leave them out"));
    }
    expect_held(format, spec)
}

/// What of `spec` a scale says that is added to a layer: all but what the layer says.
#[must_use]
pub fn of_scale(mut spec: CreateSpec) -> CreateSpec {
    let of_layer = ARRAY.iter().filter(|option| OF_LAYER.contains(&option.name));
    of_layer.for_each(|option| (option.adapt)(&mut spec));
    spec
}

/// The error that `format` does not have `option` as `spec` has it.
fn lacks(format: &str, option: &Optional, spec: &CreateSpec) -> Error {
    let has = |other: &&dyn Create| (option.is_held)(other.holds(), spec);
    let others: Vec<&str> = registry::creators().filter(has).map(|other| other.name()).collect();
    let Optional { name, what, .. } = option;
    let others = match &others[..] {
        [] => String::new(),
        others => format!("; formats that have: {}", others.join(", ")),
    };
    Error::invalid(format!("{name}: {format} has no {what}{others}"))
}

/// What `format` can hold of `spec`, which is like an array of the format `from`, and what of it is lost, each in a
/// sentence. How elements are stored is adapted without a word: they are the same however they are stored.
pub fn fit(format: &dyn Create, spec: CreateSpec, from: &str) -> (CreateSpec, Vec<String>) {
    let holds = format.holds();
    let given = spec.array.clone();
    let from_holds = registry::holds(from);
    let mut kept = match format.name() == from {
        true => spec,
        false => translated(spec, holds, from_holds),
    };
    kept.array = match holds.start {
        Start::Anywhere => kept.array.placed(),
        Start::Zero | Start::ZeroWithOrigin => kept.array.at_zero(),
    };
    for option in ARRAY.iter().chain(&STORAGE) {
        if (option.is_given)(&kept) && !(option.is_held)(holds, &kept) {
            (option.adapt)(&mut kept);
        }
    }
    let ndim = kept.array.domain.ndim();
    if kept.array.resolution.as_ref().is_some_and(|sizes| !fits(holds, sizes, ndim)) {
        (kept.array.resolution, kept.array.unit) = (None, None);
    }
    if let Some(attributes) = &mut kept.array.attributes {
        attributes.retain(|name, _| !holds.reserves(name));
    }
    if !kept.storage.has_shards() {
        kept.storage.shard_order = None;
    }
    let lost = lost(&given, &kept.array, holds, from_holds.unwrap_or(&Holds::PLAIN));
    (kept, lost.into_iter().map(|what| format!("{} does not keep {what}", format.name())).collect())
}

/// Whether an array of `format` like one of the format `from`, whose elements are in this `order`, has its axes in the
/// same order; in the opposite one if not, so that elements next to each other stay so.
pub fn keeps_order(format: &dyn Create, from: &str, order: Order) -> bool {
    format.order() == order || format.name() == from
}

/// What `spec`, which is of a format that holds `from`, is in the terms of another, which holds `to`; `from` is `None` for
/// files of which nothing is said. Encodings are known by name, keys of scales are made anew.
fn translated(spec: CreateSpec, to: &Holds, from: Option<&Holds>) -> CreateSpec {
    let is_same = |of: fn(&Holds) -> Option<&'static str>| from.is_some_and(|from| of(from) == of(to));
    let speaks_alike = is_same(|holds| Some(holds.dialect));
    let CreateSpec { array, storage } = spec;
    let ndim = array.domain.ndim();
    let encoding = storage.encoding.filter(|name| to.encodings.contains(&name.as_str()));
    let codecs = match (speaks_alike, to.codecs) {
        (true, _) => storage.codecs,
        (false, Codecs::None) => None,
        (false, Codecs::Compression(says) | Codecs::Any(says)) => {
            storage.codecs.filter(|codecs| says(codecs, array.dtype, ndim))
        }
    };
    let storage = StorageSpec {
        level: storage.level.filter(|_| encoding.is_some()),
        encoding,
        codecs,
        chunk_keys: storage.chunk_keys.filter(|_| speaks_alike),
        key: None,
        ..storage
    };
    let attributes = match is_same(|holds| holds.attributes) {
        true => array.attributes.clone(),
        false => array.attributes.clone().map(|mut attributes| {
            let is_understood =
                |name: &str| to.understands(name) || from.is_some_and(|from| from.understands(name));
            attributes.retain(|name, _| !is_understood(name));
            attributes
        }),
    };
    let fill_value = array.fill_value.clone().filter(|_| is_same(|holds| holds.fill_value));
    let mut array = ArraySpec { attributes, fill_value, ..array };
    missing::translate(&mut array, from.map_or(Missing::None, |from| from.missing), to.missing);
    CreateSpec { array, storage }
}

/// Whether these are sizes along the axes for which a format says some.
fn fits(holds: &Holds, sizes: &[f64], ndim: usize) -> bool {
    holds.resolution != Sizes::All || sizes.len() == ndim
}

/// What `given` says of the array and `kept`, which a format has made of it, does not: each behind "does not keep".
fn lost(given: &ArraySpec, kept: &ArraySpec, holds: &Holds, from: &Holds) -> Vec<String> {
    let place = |array: &ArraySpec| array.place().map(|domain| domain.origin().to_vec());
    let origin = place(given).filter(|origin| place(kept).as_ref() != Some(origin));
    let is_zero = |fill: &Value| fill.is_null() || missing::is_zero(fill);
    let fill = given.fill_value.as_ref().filter(|fill| kept.fill_value.is_none() && !is_zero(fill));
    let lost = [
        origin.map(|origin| format!("where the first element lies, at {origin:?}")),
        lost_names(given, kept, holds),
        lost_sizes(given, kept),
        lost_fractions(given, kept),
        (given.labels == Some(true) && kept.labels != Some(true))
            .then(|| "that elements are labels".to_owned()),
        fill.map(|fill| format!("the fill value, {fill}; what is missing reads as zero")),
        (given.axes.is_some() && kept.axes.is_none() && !is_of_space(given.axes.as_deref()))
            .then(|| "kinds and units of axes".to_owned()),
        lost_attributes(given, kept, from),
        lost_more(given, holds, from),
        missing::mistaken(given, kept, from.missing, holds.missing)
            .map(|fill| format!("that elements equal to the fill value, {fill}, are not missing")),
    ];
    lost.into_iter().flatten().chain(given.beside.iter().cloned()).collect()
}

/// The sizes of elements that are lost; axes say them as well.
fn lost_sizes(given: &ArraySpec, kept: &ArraySpec) -> Option<String> {
    let is_taken = kept.resolution.is_some() && given.unit.is_some() && kept.unit.is_none();
    let is_lost = kept.resolution.is_none() || is_taken;
    let sizes = given.resolution.as_ref().filter(|_| is_lost && kept.axes.is_none())?;
    let unit = match given.unit.as_deref() {
        None => "nm",
        Some("") => "in no unit",
        Some(unit) => unit,
    };
    let is_said = unit != "nm" || sizes.iter().any(|size| *size != 1.0);
    let taken = if is_taken { "; the numbers are taken for nm" } else { "" };
    is_said.then(|| format!("the resolution, {sizes:?} {unit}{taken}"))
}

/// Places of elements between whole numbers of them, which only axes say.
fn lost_fractions(given: &ArraySpec, kept: &ArraySpec) -> Option<String> {
    let is_between = given.axes.iter().flatten().any(|axis| axis.offset != 0.0);
    (is_between && kept.axes.is_none())
        .then(|| "that elements lie at fractions of their size: they move to whole ones".to_owned())
}

/// What attributes that mean nothing in another family of formats say of the array.
fn lost_more(given: &ArraySpec, holds: &Holds, from: &Holds) -> Option<String> {
    let attributes = given.attributes.as_ref().filter(|_| holds.attributes != from.attributes)?;
    let more = (from.says_more)(attributes);
    (!more.is_empty()).then(|| format!("what else the array says of itself: {}", more.join(", ")))
}

/// The names of axes that are lost; those that the format gives to the same axes are not.
fn lost_names(given: &ArraySpec, kept: &ArraySpec, holds: &Holds) -> Option<String> {
    let names = given.dimension_names.as_ref().filter(|_| kept.dimension_names.is_none())?;
    let own = holds.fixed_axes().unwrap_or_default();
    let is_own = |(axis, name): (usize, &Option<String>)| {
        name.as_ref().is_none_or(|name| own.get(axis).is_some_and(|own| own == name))
    };
    let shown: Vec<&str> = names.iter().map(|name| name.as_deref().unwrap_or("?")).collect();
    (!names.iter().enumerate().all(is_own)).then(|| format!("the names of axes {}", shown.join(",")))
}

/// The user's attributes that are lost.
fn lost_attributes(given: &ArraySpec, kept: &ArraySpec, from: &Holds) -> Option<String> {
    let is_said = |name: &String| name == missing::ATTRIBUTE && kept.fill_value.is_some();
    let kept = kept.attributes.as_ref();
    let of_user =
        given.attributes.iter().flatten().map(|(name, _)| name).filter(|name| !from.understands(name));
    let is_gone = |name: &String| kept.is_none_or(|kept| !kept.contains_key(name));
    let gone: Vec<&String> = of_user.filter(|name| is_gone(name) && !is_said(name)).collect();
    (!gone.is_empty()).then(|| format!("the attributes {gone:?}"))
}

/// Whether axes say no more than a resolution does.
fn is_of_space(axes: Option<&[AxisSpec]>) -> bool {
    axes.into_iter()
        .flatten()
        .all(|axis| axis.kind.as_deref().is_none_or(|kind| kind == "space" || kind == "channel"))
}
