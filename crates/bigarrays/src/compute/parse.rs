//! Expressions as text: a small part of Python's language, with NumPy's functions. Nothing but that is understood.
//!
//! - numbers, `True`, `False`, `nan`, `inf`, `pi`, and the names of arrays;
//! - `|`, `^`, `&`, comparisons, `<<`, `>>`, `+`, `-`, `*`, `/`, `//`, `%`, unary `-`, `+` and `~`, `**`;
//! - functions of elements by their names, `clip(x, least, most)`, `cast(x, "type")`;
//! - reductions with `axis=` a number or a name, or a list of them: `mean(x, axis=["y", "x"])`.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::cast::{Cast, Rounding};
use crate::compute::expr::{Lazy, Operand};
use crate::compute::function::Function;
use crate::compute::reduction::Reduction;
use crate::compute::types::Literal;

/// How deep expressions in brackets, and signs, may be within each other.
const DEEPEST: usize = 100;

/// How many operands and functions an expression may have.
const LARGEST: usize = 2_000;

/// The expression that `text` is, where `sources` gives the array of a name.
///
/// ```
/// use bigarrays::compute::{Lazy, parse};
/// use bigarrays::{DataType, Domain};
///
/// let t = Lazy::of_elements(&Domain::from_shape(&[2])?, DataType::U8, &[3, 4])?;
/// let parsed = parse("mean(t * 2 + 1)", &|name| (name == "t").then(|| t.clone()))?;
/// assert_eq!(parsed.text(), "mean(((memory * 2) + 1), axis=[0])");
/// let error = parse("t + ", &|_| None).unwrap_err();
/// assert!(error.to_string().contains("at character 1"));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` with the position, from 1, of the character that is wrong; what making the expression of arrays gives.
pub fn parse(text: &str, sources: &dyn Fn(&str) -> Option<Lazy>) -> Result<Lazy> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, sources, depth: 0, size: 0 };
    let parsed = parser.expression(0)?;
    if parser.peek() != &Token::End {
        return Err(parser.wrong("an operator"));
    }
    match parsed {
        Operand::Lazy(lazy) => Ok(lazy),
        Operand::Literal(literal) => {
            let dtype = literal.own_type();
            Lazy::constant(literal.bytes(dtype)?, dtype)
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(Literal),
    Name(String),
    Text(String),
    /// An operator, a bracket or a comma.
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 27] = [
    "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "^", "~",
    "(", ")", "[", "]", ",", "=", ":", "@",
];

/// The tokens of a text, each with the position of its first character.
fn tokens(text: &str) -> Result<Vec<(Token, usize)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let position = text[..text.len() - rest.len()].chars().count() + 1;
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let (number, length) = number(rest).ok_or_else(|| wrong_at(position, "a number", rest))?;
            found.push((Token::Number(number), position));
            length
        } else if first.is_alphabetic() || first == '_' {
            let is_inside = |c: char| c.is_alphanumeric() || c == '_';
            let length = rest.find(|c: char| !is_inside(c)).unwrap_or(rest.len());
            found.push((Token::Name(rest[..length].to_owned()), position));
            length
        } else if first == '"' || first == '\'' {
            let end = rest[1..].find(first).ok_or_else(|| wrong_at(position, "a text that ends", rest))?;
            found.push((Token::Text(rest[1..=end].to_owned()), position));
            end + 2
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| wrong_at(position, "an operand or an operator", rest))?;
            found.push((Token::Sign(sign), position));
            sign.len()
        };
        rest = &rest[length..];
    }
    found.push((Token::End, text.chars().count() + 1));
    Ok(found)
}

/// The number that a text begins with, and its length.
fn number(text: &str) -> Option<(Literal, usize)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    let mut is_whole = true;
    if bytes.get(end) == Some(&b'.') {
        (end, is_whole) = (digits(end + 1), false);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let behind = digits(end + 1 + sign);
        if behind > end + 1 + sign {
            (end, is_whole) = (behind, false);
        }
    }
    let literal = match is_whole {
        true => Literal::Whole(text[..end].parse().ok()?),
        false => Literal::Real(text[..end].parse().ok()?),
    };
    Some((literal, end))
}

fn wrong_at(position: usize, expected: &str, found: &str) -> Error {
    let found: String = found.chars().take(20).collect();
    let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
    Error::invalid(format!("at character {position} of the expression: expected {expected}, found {found}"))
}

/// Operators between operands: sign, function, how tight they bind, and whether from the right.
const BINARY: [(&str, Function, u8); 18] = [
    ("|", Function::BitwiseOr, 1),
    ("^", Function::BitwiseXor, 2),
    ("&", Function::BitwiseAnd, 3),
    ("==", Function::Equal, 4),
    ("!=", Function::NotEqual, 4),
    ("<", Function::Less, 4),
    ("<=", Function::LessEqual, 4),
    (">", Function::Greater, 4),
    (">=", Function::GreaterEqual, 4),
    ("<<", Function::LeftShift, 5),
    (">>", Function::RightShift, 5),
    ("+", Function::Add, 6),
    ("-", Function::Subtract, 6),
    ("*", Function::Multiply, 7),
    ("/", Function::Divide, 7),
    ("//", Function::FloorDivide, 7),
    ("%", Function::Remainder, 7),
    ("**", Function::Power, 9),
];

/// How tight signs before an operand bind: less than a power.
const SIGNED: u8 = 8;

struct Parser<'a> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    sources: &'a dyn Fn(&str) -> Option<Lazy>,
    depth: usize,
    size: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn position(&self) -> usize {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if is_it {
            self.next();
        }
        is_it
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.takes(sign) { Ok(()) } else { Err(self.wrong(&format!("{sign:?}"))) }
    }

    fn wrong(&self, expected: &str) -> Error {
        let found = match self.peek() {
            Token::Number(Literal::Bool(value)) => value.to_string(),
            Token::Number(Literal::Whole(value)) => value.to_string(),
            Token::Number(Literal::Real(value)) => value.to_string(),
            Token::Name(text) | Token::Text(text) => text.clone(),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::End => String::new(),
        };
        wrong_at(self.position(), expected, &found)
    }

    /// An expression of operators that bind tighter than `least`.
    fn expression(&mut self, least: u8) -> Result<Operand> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("no more brackets within brackets"));
        }
        let mut left = self.operand()?;
        loop {
            let position = self.position();
            let Token::Sign(sign) = *self.peek() else { break };
            let Some(&(_, function, binds)) = BINARY.iter().find(|row| row.0 == sign && row.2 > least) else {
                break;
            };
            self.next();
            // Powers are taken from the right.
            let right = self.expression(if function == Function::Power { SIGNED - 1 } else { binds })?;
            left = self.apply(function, &[left, right], position)?;
            if binds == 4
                && BINARY
                    .iter()
                    .any(|row| row.2 == 4 && matches!(self.peek(), Token::Sign(next) if *next == row.0))
            {
                return Err(self.wrong("brackets: comparisons do not follow each other"));
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Operand> {
        let position = self.position();
        match self.next() {
            Token::Number(literal) => Ok(Operand::Literal(literal)),
            Token::Name(name) => self.named(&name, position),
            Token::Sign("(") => {
                let inside = self.expression(0)?;
                self.expect(")")?;
                Ok(inside)
            }
            Token::Sign("-") => {
                let of = self.expression(SIGNED)?;
                match of {
                    Operand::Literal(Literal::Whole(value)) => Ok(Operand::Literal(Literal::Whole(-value))),
                    Operand::Literal(Literal::Real(value)) => Ok(Operand::Literal(Literal::Real(-value))),
                    of => self.apply(Function::Negative, &[of], position),
                }
            }
            Token::Sign("+") => self.expression(SIGNED),
            Token::Sign("~") => {
                let of = self.expression(SIGNED)?;
                self.apply(Function::Invert, &[of], position)
            }
            _ => {
                self.at = self.tokens.iter().position(|token| token.1 == position).unwrap_or(0);
                Err(self.wrong("an operand"))
            }
        }
    }

    fn apply(&mut self, function: Function, operands: &[Operand], position: usize) -> Result<Operand> {
        self.size += 1;
        if self.size > LARGEST {
            return Err(wrong_at(position, "a shorter expression", ""));
        }
        Lazy::apply(function, operands).map(Operand::Lazy).map_err(|error| at(&error, position))
    }

    /// What a name stands for: an array, a number, or a function that is called.
    fn named(&mut self, name: &str, position: usize) -> Result<Operand> {
        if !self.takes("(") {
            return match name {
                "True" => Ok(Operand::Literal(Literal::Bool(true))),
                "False" => Ok(Operand::Literal(Literal::Bool(false))),
                "nan" => Ok(Operand::Literal(Literal::Real(f64::NAN))),
                "inf" => Ok(Operand::Literal(Literal::Real(f64::INFINITY))),
                "pi" => Ok(Operand::Literal(Literal::Real(std::f64::consts::PI))),
                name => match (self.sources)(name) {
                    Some(lazy) => Ok(Operand::Lazy(lazy)),
                    None => Err(wrong_at(position, "the name of an array", name)),
                },
            };
        }
        let first = self.expression(0)?;
        if let Some(reduction) = Reduction::named(name) {
            return self.reduction(reduction, first, position);
        }
        let mut arguments = vec![first];
        if name == "cast" {
            self.expect(",")?;
            let Token::Text(dtype) = self.next() else {
                return Err(self.wrong("a type, such as \"float32\""));
            };
            self.expect(")")?;
            let lazy = self.lazy(&arguments[0], position)?;
            let how = Cast { rounding: Rounding::Zero, ..Cast::default() };
            let cast = dtype.parse::<DataType>().and_then(|dtype| lazy.cast(dtype, how));
            return cast.map(Operand::Lazy).map_err(|error| at(&error, position));
        }
        while self.takes(",") {
            arguments.push(self.expression(0)?);
        }
        self.expect(")")?;
        match (name, &arguments[..]) {
            ("clip", [of, least, most]) => {
                let above = self.apply(Function::Maximum, &[of.clone(), least.clone()], position)?;
                self.apply(Function::Minimum, &[above, most.clone()], position)
            }
            (name, arguments) => {
                let function = Function::named(name).ok_or_else(|| wrong_at(position, "a function", name))?;
                self.apply(function, arguments, position)
            }
        }
    }

    fn lazy(&self, operand: &Operand, position: usize) -> Result<Lazy> {
        match operand {
            Operand::Lazy(lazy) => Ok(lazy.clone()),
            Operand::Literal(_) => Err(wrong_at(position, "an expression of arrays", "")),
        }
    }

    /// The rest of a call of a reduction, behind its operand.
    fn reduction(&mut self, reduction: Reduction, of: Operand, position: usize) -> Result<Operand> {
        let of = self.lazy(&of, position)?;
        let mut axes = Vec::new();
        if self.takes(",") {
            if !matches!(self.next(), Token::Name(name) if name == "axis") {
                return Err(wrong_at(position, "axis= behind what is reduced", ""));
            }
            self.expect("=")?;
            if self.takes("[") {
                axes.push(self.axis(&of)?);
                while self.takes(",") {
                    axes.push(self.axis(&of)?);
                }
                self.expect("]")?;
            } else {
                axes.push(self.axis(&of)?);
            }
        }
        self.expect(")")?;
        of.reduce(reduction, &axes).map(Operand::Lazy).map_err(|error| at(&error, position))
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
}

fn at(error: &Error, position: usize) -> Error {
    Error::new(error.kind(), format!("at character {position} of the expression: {}", error.reason()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::domain::Domain;

    fn parsed(text: &str) -> Result<Lazy> {
        let domain = Domain::from_shape(&[2, 2]).unwrap();
        let array = Lazy::of_elements(&domain, DataType::U8, &[1, 2, 3, 4]).unwrap();
        parse(text, &|name| ["a", "b"].contains(&name).then(|| array.clone()))
    }

    #[test]
    fn operators_bind_as_in_python() {
        for (text, expected) in [
            ("a + a * a", "(memory + (memory * memory))"),
            ("(a + a) * a", "((memory + memory) * memory)"),
            ("a - a - a", "((memory - memory) - memory)"),
            ("-a ** 2", "negative((memory ** 2))"),
            ("a ** a ** 2", "(memory ** (memory ** 2))"),
            ("(a > 1) & (a < 3)", "((memory > 1) & (memory < 3))"),
            ("mean(a, axis=-1)", "mean(memory, axis=[1])"),
            ("sum(a, axis=[0, 1])", "sum(memory, axis=[0, 1])"),
            ("clip(a, 2, 3)", "minimum(maximum(memory, 2), 3)"),
            ("cast(a, \"float32\") / 1.5e0", "(cast(memory, float32) / 1.5)"),
            ("where(a > 1, a, -1e3)", "where((memory > 1), memory, -1000)"),
        ] {
            assert_eq!(parsed(text).unwrap().text(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, position) in [
            ("a +", 4),
            ("a + c", 5),
            ("(a", 3),
            ("a)", 2),
            ("f(a)", 1),
            ("a $ a", 3),
            ("a b", 3),
            ("", 1),
            ("mean(a, axis=2)", 14),
            ("1 < a < 2", 7),
            ("sqrt(a, a)", 1),
            ("a + 300", 3),
            ("\"x", 1),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(&format!("at character {position} ")), "{text}: {error}");
        }
        assert!(parsed(&"(".repeat(100_000)).is_err() && parsed(&"-".repeat(100_000)).is_err());
        assert!(parsed(&"a+".repeat(100_000)).is_err());
    }
}
