//! What stands behind the operand of a reduction in expressions as text.

use crate::base::error::{Error, Result};
use crate::compute::called::Reducing;
use crate::compute::expr::Lazy;
use crate::compute::group::GroupBy;
use crate::compute::ranks::QuantileMethod;
use crate::compute::tokens::{Token, Tokens, wrong_at};
use crate::compute::types::Literal;

/// What is given by name.
#[derive(Default)]
pub(super) struct Keywords {
    /// One list of axes, or one for each of several labels.
    axes: Option<Vec<Vec<usize>>>,
    keeps: Option<bool>,
    /// Labels of groups, and how many each may have.
    pub(super) by: Vec<Lazy>,
    /// Where elements count, and what is begun with.
    pub(super) mask: Option<Lazy>,
    initial: Option<Literal>,
    expected: Option<Vec<u64>>,
    drops: Option<bool>,
    fill: Option<Literal>,
    q: Option<Wanted>,
    method: Option<QuantileMethod>,
    ddof: Option<f64>,
}

/// Puts what was given, once.
fn put<T>(place: &mut Option<T>, value: T, (name, position): (&str, usize)) -> Result<()> {
    match place.replace(value) {
        Some(_) => Err(wrong_at(position, "each of these once", name)),
        None => Ok(()),
    }
}

impl Keywords {
    /// The value of the one of this name, behind its `=`.
    ///
    /// # Errors
    /// `InvalidArgument` with the position of what is wrong.
    pub(super) fn take(&mut self, at: (&str, usize), tokens: &mut Tokens, of: &Lazy) -> Result<()> {
        match at.0 {
            "axis" => put(&mut self.axes, tokens.axes_of_each(of)?, at),
            "keepdims" => put(&mut self.keeps, tokens.truth()?, at),
            "drop" => put(&mut self.drops, tokens.truth()?, at),
            "expected" => put(&mut self.expected, tokens.listed(&mut counted)?, at),
            "fill" => put(&mut self.fill, number(tokens)?, at),
            "initial" => put(&mut self.initial, number(tokens)?, at),
            "q" => {
                let is_list = tokens.peek() == &Token::Sign("[");
                put(&mut self.q, Wanted { all: tokens.listed(&mut real)?, is_list }, at)
            }
            "ddof" => put(&mut self.ddof, real(tokens)?, at),
            "method" => {
                let position = tokens.position();
                let method = match tokens.next() {
                    Token::Text(name) => QuantileMethod::named(&name),
                    _ => None,
                };
                let method = method.ok_or_else(|| wrong_at(position, "a method, such as \"linear\"", ""))?;
                put(&mut self.method, method, at)
            }
            name => {
                let known =
                    "axis=, keepdims=, where=, initial=, by=, expected=, drop=, fill=, q=, method= or ddof=";
                Err(wrong_at(at.1, known, name))
            }
        }
    }

    /// What the operand becomes.
    ///
    /// # Errors
    /// `InvalidArgument` for what does not go together; those of reductions.
    pub(super) fn reduced(self, reducing: Reducing, of: &Lazy) -> Result<Lazy> {
        let axes = self.axes.clone().unwrap_or_else(|| vec![Vec::new()]);
        if !self.by.is_empty() {
            if self.keeps == Some(true) {
                return Err(Error::invalid("groups take the place of the axes, which cannot stay"));
            }
            if self.mask.is_some() || self.initial.is_some() {
                return Err(Error::invalid(
                    "groups have no where= and initial=; give other elements a negative label",
                ));
            }
            return self.of_groups(reducing, of, &axes);
        }
        if self.expected.is_some() || self.drops.is_some() || self.fill.is_some() {
            return Err(Error::invalid(
                "expected=, drop= and fill= are of groups: name their labels with by=",
            ));
        }
        let [axes] = &axes[..] else {
            return Err(Error::invalid(
                "axis= has a list for each of several labels, of which there are none",
            ));
        };
        let keeps = self.keeps.unwrap_or(false);
        match reducing {
            Reducing::Quantile { is_median, skips } => {
                if keeps || self.mask.is_some() || self.initial.is_some() {
                    return Err(Error::invalid("quantiles have no keepdims=, where= and initial="));
                }
                let method = self.method.unwrap_or_default();
                match self.q(is_median)? {
                    None => of.median(axes, skips),
                    Some(q) => q.one_or_all(of.quantile(&q.all, axes, method, skips)?),
                }
            }
            reducing => self.without_quantiles()?.plain(reducing, of, axes, keeps),
        }
    }

    fn plain(&self, reducing: Reducing, of: &Lazy, axes: &[usize], keeps: bool) -> Result<Lazy> {
        reducing.of_masked(of, axes, keeps, self.mask.as_ref(), self.initial, self.ddof.unwrap_or(0.0))
    }

    fn of_groups(self, reducing: Reducing, of: &Lazy, axes: &[Vec<usize>]) -> Result<Lazy> {
        let expected = self.expected.clone().unwrap_or_default();
        if expected.len() != self.by.len() {
            return Err(Error::invalid("how many groups there may be has to be said: expected=12"));
        }
        if axes.len() > 1 && axes.len() != self.by.len() {
            let reason = format!("{} lists of axes of {} labels", axes.len(), self.by.len());
            return Err(Error::invalid(reason));
        }
        let all: Vec<usize> = (0..of.ndim()).collect();
        let mut by: Option<GroupBy> = None;
        for (k, (labels, &count)) in self.by.iter().zip(&expected).enumerate() {
            let own = axes.get(k).unwrap_or(&axes[0]);
            let own = if own.is_empty() { &all } else { own };
            by = Some(match by {
                None => of.group_by(labels, own, count)?,
                Some(by) => by.and(labels, own, count)?,
            });
        }
        let Some(mut by) = by else { return Err(Error::invalid("groups by nothing")) };
        by = if self.drops == Some(true) { by.dropping() } else { by };
        by = match self.fill {
            Some(fill) => by.filled(fill),
            None => by,
        };
        match reducing {
            Reducing::Quantile { is_median, skips } => match self.q(is_median)? {
                None => by.median(&[], skips),
                Some(q) => q.one_or_all(by.quantile(&q.all, &[], self.method.unwrap_or_default(), skips)?),
            },
            reducing => reducing.of_groups(&by, self.without_quantiles()?.ddof.unwrap_or(0.0)),
        }
    }

    /// The quantiles that are asked for; `None` for a median.
    fn q(&self, is_median: bool) -> Result<Option<Wanted>> {
        match (&self.q, is_median) {
            (None, true) if self.method.is_none() && self.ddof.is_none() => Ok(None),
            (Some(q), false) if self.ddof.is_none() => Ok(Some(q.clone())),
            (_, true) => Err(Error::invalid("a median takes no q=, method= or ddof=")),
            (_, false) => {
                Err(Error::invalid("a quantile takes q=, such as q=0.9 or q=[0.1, 0.9], and no ddof="))
            }
        }
    }

    fn without_quantiles(&self) -> Result<&Self> {
        match self.q.is_some() || self.method.is_some() {
            true => Err(Error::invalid("q= and method= are of quantiles")),
            false => Ok(self),
        }
    }
}

/// The quantiles that are asked for: a number, or a list.
#[derive(Clone)]
struct Wanted {
    all: Vec<f64>,
    is_list: bool,
}

impl Wanted {
    /// Of a number no axis of quantiles.
    fn one_or_all(&self, found: Lazy) -> Result<Lazy> {
        if self.is_list { Ok(found) } else { found.first_along_first() }
    }
}

pub(super) fn number(tokens: &mut Tokens) -> Result<Literal> {
    let is_negative = tokens.takes("-");
    let position = tokens.position();
    match (tokens.next(), is_negative) {
        (Token::Number(Literal::Whole(number)), true) => Ok(Literal::Whole(-number)),
        (Token::Number(Literal::Real(number)), true) => Ok(Literal::Real(-number)),
        (Token::Number(literal), false) => Ok(literal),
        (Token::Name(name), false) if name == "nan" => Ok(Literal::Real(f64::NAN)),
        _ => Err(wrong_at(position, "a number", "")),
    }
}

fn real(tokens: &mut Tokens) -> Result<f64> {
    let position = tokens.position();
    match number(tokens)? {
        Literal::Whole(number) => Ok(number as f64),
        Literal::Real(number) => Ok(number),
        Literal::Bool(_) => Err(wrong_at(position, "a number", "")),
    }
}

fn counted(tokens: &mut Tokens) -> Result<u64> {
    let position = tokens.position();
    match tokens.next() {
        Token::Number(Literal::Whole(number)) if number >= 0 && number <= i64::MAX.into() => {
            Ok(number as u64)
        }
        _ => Err(wrong_at(position, "how many groups there are", "")),
    }
}
