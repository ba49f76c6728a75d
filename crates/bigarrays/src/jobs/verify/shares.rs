//! Reports of shares of the work, made one, and passed from process to process.

use serde_json::{Value, json};

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::Number;
use crate::format;
use crate::jobs::verify::comparison::{Comparison, Difference};
use crate::jobs::verify::report::{ArrayReport, Findings, Problem, ProblemKind, Report, Stray};

impl Report {
    /// The reports of all shares as one, the first share's first. What only another share has met is added to it, as others may
    /// have written meanwhile.
    pub fn of_shares(shares: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for (number, share) in shares.into_iter().enumerate() {
            for array in share.arrays {
                let is_same =
                    |known: &&mut ArrayReport| (&known.url, &known.scale) == (&array.url, &array.scale);
                match all.arrays.iter_mut().find(|known| is_same(known) && known.domain.is_some()) {
                    Some(known) if array.domain.is_some() => known.add(array),
                    // What could not be opened is in each of them.
                    _ if number > 0 && array.domain.is_none() => {}
                    _ => all.arrays.push(array),
                }
            }
        }
        for array in &mut all.arrays {
            // As one process has them.
            array.problems.first.sort_by_key(|one| one.kind == ProblemKind::Different);
            array.note_comparison();
        }
        all
    }

    /// All of the report as text, from which [`Report::of_text`] makes the same one.
    pub fn to_text(&self) -> String {
        Value::from(self.arrays.iter().map(array_value).collect::<Vec<_>>()).to_string()
    }

    /// The report that a text of [`Report::to_text`] is of.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none.
    pub fn of_text(text: &str) -> Result<Self> {
        let none = || Error::invalid("this is no report of a share");
        let value: Value = serde_json::from_str(text).map_err(|_| none())?;
        let arrays = value.as_array().and_then(|arrays| arrays.iter().map(array_of).collect::<Option<_>>());
        Ok(Self { arrays: arrays.ok_or_else(none)? })
    }
}

impl ArrayReport {
    /// Adds what another share has found of the same array.
    fn add(&mut self, other: Self) {
        self.stored = self.stored.saturating_add(other.stored);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.missing = self.chunks.saturating_sub(self.stored);
        self.names = self.names.or(other.names);
        self.listed &= other.listed;
        // Arrays that cannot be compared are one problem, in however many shares.
        let is_known = self.problems.first.iter().any(|one| one.kind == ProblemKind::Different);
        let is_new = |one: &Problem| one.kind != ProblemKind::Different || !is_known;
        let (before, mut problems) = (other.problems.first.len(), other.problems);
        problems.first.retain(is_new);
        problems.count -= (before - problems.first.len()) as u64;
        self.problems.add(problems);
        self.leftovers.add(other.leftovers);
        self.strangers.add(other.strangers);
        self.notes.add(other.notes);
        self.comparison = match (self.comparison.take(), other.comparison) {
            (Some(mut own), Some(other)) => {
                own.add(other);
                Some(own)
            }
            // What is damaged in one share cannot be compared: the others know but a part of it.
            _ => None,
        };
    }
}

impl<T> Findings<T> {
    fn add(&mut self, other: Self) {
        let more = other.count - other.first.len() as u64;
        other.first.into_iter().for_each(|one| self.push(one));
        self.count += more;
    }
}

fn array_value(array: &ArrayReport) -> Value {
    let problem = |one: &Problem| {
        json!([one.kind.name(), one.key, one.domain.as_ref().map(ToString::to_string), one.message])
    };
    let stray = |one: &Stray| json!([one.key, one.bytes]);
    json!({
        "url": array.url,
        "format": array.format,
        "scale": array.scale,
        "domain": array.domain.as_ref().map(ToString::to_string),
        "counts": [array.chunks, array.stored, array.missing, array.bytes],
        "names": array.names,
        "listed": array.listed,
        "problems": findings_value(&array.problems, problem),
        "leftovers": findings_value(&array.leftovers, stray),
        "strangers": findings_value(&array.strangers, stray),
        "notes": findings_value(&array.notes, |one| json!(one)),
        "comparison": array.comparison.as_ref().map(comparison_value),
    })
}

fn array_of(value: &Value) -> Option<ArrayReport> {
    let problem = |one: &Value| {
        Some(Problem {
            kind: ProblemKind::named(one[0].as_str()?)?,
            key: text(&one[1]),
            domain: domain(&one[2])?,
            message: text(&one[3])?,
        })
    };
    let stray = |one: &Value| Some(Stray { key: text(&one[0])?, bytes: one[1].as_u64()? });
    let comparison = match &value["comparison"] {
        Value::Null => None,
        comparison => Some(comparison_of(comparison)?),
    };
    Some(ArrayReport {
        url: text(&value["url"])?,
        format: format_name(value["format"].as_str()?),
        scale: text(&value["scale"]),
        domain: domain(&value["domain"])?,
        chunks: value["counts"][0].as_u64()?,
        stored: value["counts"][1].as_u64()?,
        missing: value["counts"][2].as_u64()?,
        bytes: value["counts"][3].as_u64()?,
        names: value["names"].as_u64(),
        problems: findings_of(&value["problems"], problem)?,
        leftovers: findings_of(&value["leftovers"], stray)?,
        strangers: findings_of(&value["strangers"], stray)?,
        notes: findings_of(&value["notes"], text)?,
        listed: value["listed"].as_bool()?,
        comparison,
    })
}

/// The name as formats have it.
fn format_name(name: &str) -> &'static str {
    // Several arrays of slices are no format.
    format::by_name(name).map_or(if name == "slices" { "slices" } else { "" }, |format| format.name())
}

fn findings_value<T>(findings: &Findings<T>, one: impl Fn(&T) -> Value) -> Value {
    json!([findings.count, findings.first.iter().map(one).collect::<Vec<_>>()])
}

fn findings_of<T>(value: &Value, one: impl Fn(&Value) -> Option<T>) -> Option<Findings<T>> {
    let first = value[1].as_array()?.iter().map(one).collect::<Option<Vec<T>>>()?;
    let count = value[0].as_u64().filter(|&count| count >= first.len() as u64)?;
    Some(Findings { first, count })
}

fn comparison_value(comparison: &Comparison) -> Value {
    let first = comparison.first.iter();
    // Numbers as bits, or digits: not all of them are numbers of JSON.
    let first = first.map(|one| json!([one.at.to_vec(), number_value(one.left), number_value(one.right)]));
    json!({
        "url": comparison.url,
        "dtypes": [comparison.dtypes.0.name(), comparison.dtypes.1.name()],
        "mismatch": comparison.mismatch,
        "elements": comparison.elements,
        "different": comparison.different,
        "first": first.collect::<Vec<_>>(),
        "max_abs": comparison.max_abs.to_bits(),
    })
}

fn comparison_of(value: &Value) -> Option<Comparison> {
    let dtype = |value: &Value| -> Option<DataType> { value.as_str()?.parse().ok() };
    let difference = |one: &Value| {
        let at = one[0].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?;
        Some(Difference { at, left: number_of(&one[1])?, right: number_of(&one[2])? })
    };
    Some(Comparison {
        url: text(&value["url"])?,
        dtypes: (dtype(&value["dtypes"][0])?, dtype(&value["dtypes"][1])?),
        mismatch: text(&value["mismatch"]),
        elements: value["elements"].as_u64()?,
        different: value["different"].as_u64()?,
        first: value["first"].as_array()?.iter().map(difference).collect::<Option<_>>()?,
        max_abs: f64::from_bits(value["max_abs"].as_u64()?),
    })
}

fn number_value(number: Number) -> Value {
    match number {
        Number::Whole(whole) => json!(whole.to_string()),
        Number::Real(real) => json!(real.to_bits()),
    }
}

fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::String(whole) => whole.parse().ok().map(Number::Whole),
        bits => bits.as_u64().map(|bits| Number::Real(f64::from_bits(bits))),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A box, or none.
#[expect(clippy::option_option, reason = "a box that is none, and no box at all, are two things")]
fn domain(value: &Value) -> Option<Option<crate::base::domain::Domain>> {
    match value {
        Value::Null => Some(None),
        domain => domain.as_str()?.parse().ok().map(Some),
    }
}
