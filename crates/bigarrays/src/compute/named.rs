//! Arguments that have names.

use crate::base::dims::Dims;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::aggregate::Aggregate;
use crate::compute::boundary::Boundary;
use crate::compute::expr::Lazy;
use crate::compute::number::Number;
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
    /// Expressions behind the first.
    pub(crate) others: Vec<Lazy>,
    pub(crate) named: Vec<(String, Argument)>,
}

impl Arguments {
    /// An expression behind the first.
    pub(crate) fn other(&mut self) -> Option<Lazy> {
        (!self.others.is_empty()).then(|| self.others.remove(0))
    }

    pub(crate) fn counts(&mut self, name: &str) -> Result<Option<Vec<u64>>> {
        let negative = |_| Error::invalid(format!("{name}= has negative numbers"));
        let count = |one: i64| u64::try_from(one).map_err(negative);
        self.wholes(name)?.map(|all| all.into_iter().map(count).collect()).transpose()
    }

    /// Whether all of them were taken, and if not, the name of one.
    pub(crate) fn left(&self) -> Option<&str> {
        self.named.first().map(|argument| &*argument.0)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.named.iter().any(|known| known.0 == name)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Argument> {
        let at = self.named.iter().position(|known| known.0 == name)?;
        Some(self.named.remove(at).1)
    }

    pub(crate) fn needed(&mut self, name: &str) -> Result<Argument> {
        self.take(name).ok_or_else(|| Error::invalid(format!("{name}= is missing")))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Argument::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a name", &other)),
        }
    }

    pub(crate) fn lazy(&mut self, name: &str) -> Result<Option<Lazy>> {
        match self.take(name) {
            None => Ok(None),
            Some(Argument::Lazy(lazy)) => Ok(Some(lazy)),
            Some(other) => Err(wrong(name, "an expression", &other)),
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
    pub(crate) fn widths(&mut self, of: &Lazy) -> Result<(Dims<usize>, Vec<u64>)> {
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

    pub(crate) fn reals(&mut self, name: &str) -> Result<Option<Vec<f64>>> {
        let Some(argument) = self.take(name) else { return Ok(None) };
        argument.list().iter().map(|one| one.real(name)).collect::<Result<_>>().map(Some)
    }

    /// An element of a type.
    pub(crate) fn number(&mut self, name: &str, dtype: DataType) -> Result<Option<Number>> {
        Ok(Some(match self.take(name) {
            None => return Ok(None),
            Some(Argument::Literal(Literal::Bool(truth))) => Number::Whole(truth.into()),
            Some(Argument::Literal(Literal::Whole(whole))) => Number::Whole(whole),
            Some(Argument::Literal(Literal::Real(real))) if real.fract() == 0.0 && !dtype.is_float() => {
                Number::Whole(real as i128)
            }
            Some(Argument::Literal(Literal::Real(real))) => Number::Real(real),
            Some(other) => return Err(wrong(name, "a number", &other)),
        }))
    }

    /// What lies beyond the ends: a name, and a number for a constant.
    pub(crate) fn boundary(&mut self, name: &str, value: &str, dtype: DataType) -> Result<Option<Boundary>> {
        let constant = self.number(value, dtype)?.unwrap_or(Number::Whole(0));
        self.text(name)?.map(|name| Boundary::named(&name, constant)).transpose()
    }

    pub(crate) fn aggregate(&mut self) -> Result<Aggregate> {
        let name =
            self.text("how")?.ok_or_else(|| Error::invalid("how= is missing, such as how=\"mean\""))?;
        let correction = self.real("correction")?.unwrap_or(0.0);
        match (self.real("q")?, &*name) {
            (Some(q), "quantile") => Aggregate::named(&name, q),
            (None, "quantile") => Err(Error::invalid("q= is missing, such as q=0.9")),
            (Some(_), _) => Err(Error::invalid("q= is of quantiles")),
            (None, _) => Aggregate::named(&name, correction),
        }
    }
}

impl Argument {
    pub(crate) fn list(&self) -> &[Self] {
        if let Self::List(all) = self { all } else { std::slice::from_ref(self) }
    }

    fn whole(&self, name: &str) -> Result<i64> {
        let found =
            if let Self::Literal(Literal::Whole(whole)) = self { i64::try_from(*whole).ok() } else { None };
        found.ok_or_else(|| wrong(name, "a whole number", self))
    }

    pub(crate) fn real(&self, name: &str) -> Result<f64> {
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
