//! What stands in the brackets of slices and reductions in expressions as text.

use crate::array::Index;
use crate::base::dims::Dims;
use crate::base::error::Result;
use crate::compute::expr::Lazy;
use crate::compute::tokens::{Token, Tokens, at, wrong_at};
use crate::compute::types::Literal;

impl Tokens {
    /// Indices of so many axes, up to the bracket behind them.
    pub(super) fn indices(&mut self, ndim: usize) -> Result<Dims<Index>> {
        let (mut found, mut rest): (Dims<Index>, Option<usize>) = (Dims::new(), None);
        loop {
            if self.peek() == &Token::Sign("...") && rest.is_none() {
                self.next();
                rest = Some(found.len());
            } else {
                found.push(self.index()?);
            }
            if self.takes("]") {
                break;
            }
            self.expect(",")?;
            if self.takes("]") {
                break;
            }
        }
        let missing = ndim.saturating_sub(found.len());
        let place = rest.unwrap_or(found.len());
        (0..missing).for_each(|_| found.insert(place, Index::ALL));
        Ok(found)
    }

    fn index(&mut self) -> Result<Index> {
        let start = self.coordinate()?;
        if !self.takes(":") {
            return start.map(Index::At).ok_or_else(|| self.wrong("a coordinate or a slice"));
        }
        let stop = self.coordinate()?;
        let step = if self.takes(":") { self.coordinate()? } else { None };
        Ok(Index::Slice { start, stop, step: step.unwrap_or(1) })
    }

    /// One axis, or a list of them.
    pub(super) fn axes(&mut self, of: &Lazy) -> Result<Vec<usize>> {
        self.listed(&mut |tokens| tokens.axis(of))
    }

    /// One axis, or a list of them; or a list of such lists.
    pub(super) fn axes_of_each(&mut self, of: &Lazy) -> Result<Vec<Vec<usize>>> {
        if !self.takes("[") {
            return Ok(vec![vec![self.axis(of)?]]);
        }
        let is_nested = self.peek() == &Token::Sign("[");
        let mut all = vec![if is_nested { self.axes(of)? } else { vec![self.axis(of)?] }];
        while self.takes(",") {
            match is_nested {
                true => all.push(self.axes(of)?),
                false => all[0].push(self.axis(of)?),
            }
        }
        self.expect("]")?;
        Ok(all)
    }

    /// One of what `one` takes, or a list of them.
    pub(super) fn listed<T>(&mut self, one: &mut dyn FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        if !self.takes("[") {
            return Ok(vec![one(self)?]);
        }
        let mut all = vec![one(self)?];
        while self.takes(",") {
            all.push(one(self)?);
        }
        self.expect("]")?;
        Ok(all)
    }

    fn axis(&mut self, of: &Lazy) -> Result<usize> {
        let position = self.position();
        let is_negative = self.takes("-");
        match self.next() {
            Token::Text(name) if !is_negative => of.axis(&name).map_err(|error| at(&error, position)),
            Token::Number(Literal::Whole(number)) => {
                let ndim = of.ndim() as i128;
                let axis = if is_negative { ndim - number } else { number };
                let is_one = (0..ndim).contains(&axis);
                is_one
                    .then_some(axis as usize)
                    .ok_or_else(|| wrong_at(position, &format!("an axis of {ndim}"), &number.to_string()))
            }
            _ => Err(wrong_at(position, "an axis, by its number or name", "")),
        }
    }

    /// A whole number, if there is one.
    fn coordinate(&mut self) -> Result<Option<i64>> {
        let is_negative = self.takes("-");
        let Token::Number(Literal::Whole(number)) = *self.peek() else {
            return if is_negative { Err(self.wrong("a coordinate")) } else { Ok(None) };
        };
        let number = if is_negative { -number } else { number };
        let number = i64::try_from(number).map_err(|_| self.wrong("a coordinate of 64 bits"))?;
        self.next();
        Ok(Some(number))
    }

    pub(super) fn truth(&mut self) -> Result<bool> {
        let position = self.position();
        match self.next() {
            Token::Name(name) if name == "True" => Ok(true),
            Token::Name(name) if name == "False" => Ok(false),
            _ => Err(wrong_at(position, "True or False", "")),
        }
    }
}
