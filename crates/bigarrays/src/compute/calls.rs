//! Functions of expressions that are called by name, with arguments by their names: as texts of expressions and Python have them.

use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::aggregate::Aggregate;
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::function::Function;
use crate::compute::number::Number;
use crate::compute::rolling::{Anchor, Ends, Rolling};
use crate::compute::types::Literal;

/// An argument of a function.
#[derive(Clone, Debug)]
pub enum Argument {
    /// An expression.
    Lazy(Lazy),
    /// A number, or a truth.
    Literal(Literal),
    /// A name.
    Text(String),
    /// Several.
    List(Vec<Argument>),
}

/// The arguments of a call, each of which a function takes once.
pub(crate) struct Arguments {
    named: Vec<(String, Argument)>,
}

type Call = fn(&Lazy, &mut Arguments) -> Result<Lazy>;

/// All functions.
const TABLE: &[(&str, Call)] = &[("rolling", rolling), ("coarsen", coarsen), ("ranges", ranges)];

/// Whether there is a function of this name.
pub(crate) fn is_known(name: &str) -> bool {
    TABLE.iter().any(|row| row.0 == name)
}

/// A function, by its name, of expressions, with further arguments by their names.
///
/// ```
/// use bigarrays::compute::{Argument, Lazy, Literal, call};
/// use bigarrays::{DataType, Domain};
///
/// let x = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 7])?;
/// let number = |value: i64| Argument::Literal(Literal::from(value));
/// let arguments = [("how", Argument::Text("mean".to_owned())), ("axis", number(0)), ("width", number(2))];
/// let means = call("coarsen", &[x], &arguments.map(|(name, value)| (name.to_owned(), value)))?;
/// assert_eq!(means.domain().to_string(), "0:2");
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` for a function or an argument that there is not; those of the function.
pub fn call(name: &str, of: &[Lazy], named: &[(String, Argument)]) -> Result<Lazy> {
    let unknown = || Error::invalid(format!("there is no function {name:?}"));
    let (known, function) = TABLE.iter().find(|row| row.0 == name).ok_or_else(unknown)?;
    let first = of.first().ok_or_else(|| Error::invalid(format!("{name} of nothing")))?;
    let mut arguments = Arguments { named: named.to_vec() };
    let made = function(first, &mut arguments).map_err(|error| named_error(error, known))?;
    match arguments.named.first() {
        Some((other, _)) => Err(Error::invalid(format!("{name} has no argument {other}"))),
        None => Ok(made),
    }
}

/// The error, which may say already what was done.
fn named_error(error: Error, name: &'static str) -> Error {
    if error.to_string().contains(name) { error } else { error.during(name) }
}

impl Arguments {
    fn take(&mut self, name: &str) -> Option<Argument> {
        let at = self.named.iter().position(|known| known.0 == name)?;
        Some(self.named.remove(at).1)
    }

    fn needed(&mut self, name: &str) -> Result<Argument> {
        self.take(name).ok_or_else(|| Error::invalid(format!("{name}= is missing")))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Argument::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a name", &other)),
        }
    }

    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<i64>> {
        self.take(name).map(|argument| argument.whole(name)).transpose()
    }

    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u64>> {
        let negative = || Error::invalid(format!("{name}= is negative"));
        self.whole(name)?.map(|whole| u64::try_from(whole).map_err(|_| negative())).transpose()
    }

    pub(crate) fn real(&mut self, name: &str) -> Result<Option<f64>> {
        self.take(name).map(|argument| argument.real(name)).transpose()
    }

    pub(crate) fn truth(&mut self, name: &str) -> Result<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(Argument::Literal(Literal::Bool(value))) => Ok(value),
            Some(other) => Err(wrong(name, "True or False", &other)),
        }
    }

    pub(crate) fn wholes(&mut self, name: &str) -> Result<Option<Vec<i64>>> {
        let Some(argument) = self.take(name) else { return Ok(None) };
        argument.list().iter().map(|one| one.whole(name)).collect::<Result<_>>().map(Some)
    }

    /// Axes, by numbers or names.
    pub(crate) fn axes(&mut self, of: &Lazy, name: &str) -> Result<Option<Dims<usize>>> {
        let Some(argument) = self.take(name) else { return Ok(None) };
        let axes: Dims<usize> = argument.list().iter().map(|one| one.axis(of)).collect::<Result<_>>()?;
        if axes.is_empty() || axes.iter().enumerate().any(|(at, axis)| axes[..at].contains(axis)) {
            return Err(Error::invalid(format!("{name}= has axes, each once")));
        }
        Ok(Some(axes))
    }

    /// An axis, by number or name.
    pub(crate) fn axis(&mut self, of: &Lazy) -> Result<usize> {
        self.needed("axis")?.axis(of)
    }

    /// Axes, and a width for each.
    fn widths(&mut self, of: &Lazy) -> Result<(Dims<usize>, Vec<u64>)> {
        let axes = self.axes(of, "axis")?.ok_or_else(|| Error::invalid("axis= is missing"))?;
        let given = self.wholes("width")?.ok_or_else(|| Error::invalid("width= is missing"))?;
        let widths = match &given[..] {
            [one] => vec![*one; axes.len()],
            all if all.len() == axes.len() => all.to_vec(),
            _ => return Err(Error::invalid(format!("{} widths of {} axes", given.len(), axes.len()))),
        };
        let width = |one: i64| u64::try_from(one).map_err(|_| Error::invalid("width= is negative"));
        Ok((axes, widths.into_iter().map(width).collect::<Result<_>>()?))
    }

    /// What lies beyond the ends: a name, and a number for a constant.
    pub(crate) fn boundary(&mut self, name: &str, value: &str, dtype: DataType) -> Result<Option<Boundary>> {
        let constant = match self.take(value) {
            None => Number::Whole(0),
            Some(Argument::Literal(Literal::Bool(truth))) => Number::Whole(truth.into()),
            Some(Argument::Literal(Literal::Whole(whole))) => Number::Whole(whole),
            Some(Argument::Literal(Literal::Real(real))) if real.fract() == 0.0 && !dtype.is_float() => {
                Number::Whole(real as i128)
            }
            Some(Argument::Literal(Literal::Real(real))) => Number::Real(real),
            Some(other) => return Err(wrong(value, "a number", &other)),
        };
        self.text(name)?.map(|name| Boundary::named(&name, constant)).transpose()
    }

    fn aggregate(&mut self) -> Result<Aggregate> {
        let name =
            self.text("how")?.ok_or_else(|| Error::invalid("how= is missing, such as how=\"mean\""))?;
        let correction = self.real("correction")?.unwrap_or(0.0);
        Aggregate::named(&name, correction)
    }
}

impl Argument {
    fn list(&self) -> &[Self] {
        if let Self::List(all) = self { all } else { std::slice::from_ref(self) }
    }

    fn whole(&self, name: &str) -> Result<i64> {
        let found =
            if let Self::Literal(Literal::Whole(whole)) = self { i64::try_from(*whole).ok() } else { None };
        found.ok_or_else(|| wrong(name, "a whole number", self))
    }

    fn real(&self, name: &str) -> Result<f64> {
        match self {
            Self::Literal(Literal::Real(real)) => Ok(*real),
            Self::Literal(Literal::Whole(whole)) => Ok(*whole as f64),
            other => Err(wrong(name, "a number", other)),
        }
    }

    /// An axis of an expression.
    fn axis(&self, of: &Lazy) -> Result<usize> {
        if let Self::Text(name) = self {
            return of.axis(name);
        }
        let (axis, ndim) = (self.whole("axis")?, of.ndim() as i64);
        let found = if axis < 0 { axis + ndim } else { axis };
        let is_one = (0..ndim).contains(&found);
        is_one.then_some(found as usize).ok_or_else(|| Error::invalid(format!("axis {axis} of {ndim} axes")))
    }
}

fn wrong(name: &str, expected: &str, found: &Argument) -> Error {
    let found = match found {
        Argument::Lazy(_) => "an expression".to_owned(),
        Argument::List(_) => "a list".to_owned(),
        Argument::Text(text) => format!("{text:?}"),
        Argument::Literal(Literal::Bool(value)) => value.to_string(),
        Argument::Literal(Literal::Whole(value)) => value.to_string(),
        Argument::Literal(Literal::Real(value)) => value.to_string(),
    };
    Error::invalid(format!("{name}= is {expected}, not {found}"))
}

fn rolling(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let ((axes, widths), aggregate) = (arguments.widths(lazy)?, arguments.aggregate()?);
    let (center, min_count) = (arguments.truth("center")?, arguments.count("min_count")?);
    let boundary = arguments.boundary("boundary", "fill_value", lazy.dtype())?;
    over_axes(lazy, &axes, (aggregate, min_count), &|lazy, k, aggregate, min_count| {
        let rolling = Rolling { width: widths[k], center, min_count, boundary };
        lazy.rolling(axes[k], &rolling, aggregate)
    })
}

fn coarsen(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let ((axes, widths), aggregate) = (arguments.widths(lazy)?, arguments.aggregate()?);
    let ends = arguments.text("ends")?.map_or(Ok(Ends::Exact), |name| Ends::named(&name))?;
    let anchor = arguments.text("anchor")?.map_or(Ok(Anchor::Coordinate), |name| Anchor::named(&name))?;
    let min_count = arguments.count("min_count")?;
    over_axes(lazy, &axes, (aggregate, min_count), &|lazy, k, aggregate, min_count| {
        lazy.coarsen(axes[k], widths[k], ends, anchor, min_count, aggregate)
    })
}

/// What windows along an axis, by its place among some, become.
type OverAxis<'a> = dyn Fn(&Lazy, usize, Aggregate, Option<u64>) -> Result<Lazy> + 'a;

/// What windows over several axes become: along one after the other.
fn over_axes(
    lazy: &Lazy,
    axes: &[usize],
    (aggregate, min_count): (Aggregate, Option<u64>),
    one: &OverAxis<'_>,
) -> Result<Lazy> {
    if axes.len() == 1 {
        return one(lazy, 0, aggregate, min_count);
    }
    let chain = |of: &Lazy, first: Aggregate, then: Aggregate, min_count: Option<u64>| {
        let rest = |of: Lazy, k: usize| one(&of, k, then, min_count);
        (1..axes.len()).try_fold(one(of, 0, first, min_count)?, rest)
    };
    let wide = || lazy.converted(DataType::F64);
    let narrow = |made: Lazy| match lazy.dtype().is_float() {
        true => made.converted(lazy.dtype()),
        false => Ok(made),
    };
    let Some(min_count) = min_count.filter(|_| !matches!(aggregate, Aggregate::Any | Aggregate::All)) else {
        return match aggregate {
            Aggregate::Var(_) | Aggregate::Std(_) => {
                Err(Error::unsupported(format!("{} in windows over several axes", aggregate.name())))
            }
            Aggregate::Count => chain(lazy, Aggregate::Count, Aggregate::Sum, Some(0)),
            Aggregate::Mean => narrow(chain(&wide()?, aggregate, aggregate, None)?),
            Aggregate::Sum | Aggregate::Product if lazy.dtype().is_float() => {
                narrow(chain(&wide()?, aggregate, aggregate, None)?)
            }
            _ => chain(lazy, aggregate, aggregate, min_count),
        };
    };
    let count = chain(lazy, Aggregate::Count, Aggregate::Sum, Some(0))?;
    let made = match aggregate {
        Aggregate::Count => return Ok(count),
        Aggregate::Var(_) | Aggregate::Std(_) => {
            return Err(Error::unsupported(format!("{} in windows over several axes", aggregate.name())));
        }
        Aggregate::Mean => {
            let sum = chain(&wide()?, Aggregate::Sum, Aggregate::Sum, Some(0))?;
            Lazy::apply(Function::Divide, &[(&sum).into(), (&count).into()])?
        }
        Aggregate::Sum | Aggregate::Product => chain(&wide()?, aggregate, aggregate, Some(0))?,
        _ => chain(&wide()?, aggregate, aggregate, Some(1))?,
    };
    let enough =
        Lazy::apply(Function::GreaterEqual, &[(&count).into(), Literal::Whole(min_count.into()).into()])?;
    narrow(Lazy::apply(Function::Where, &[(&enough).into(), (&made).into(), f64::NAN.into()])?)
}

fn ranges(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axis, aggregate) = (arguments.axis(lazy)?, arguments.aggregate()?);
    let missing = || Error::invalid("starts= and stops= are lists of as many coordinates");
    let starts = arguments.wholes("starts")?.ok_or_else(missing)?;
    let stops = arguments.wholes("stops")?.filter(|stops| stops.len() == starts.len()).ok_or_else(missing)?;
    let ranges: Vec<_> = starts.iter().zip(&stops).map(|(&start, &stop)| start..stop).collect();
    lazy.over_ranges(axis, &ranges, arguments.count("min_count")?, aggregate)
}
