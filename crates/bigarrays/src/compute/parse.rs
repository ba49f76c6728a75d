//! Expressions as text: a small part of Python's language, with NumPy's functions. Nothing but that is understood.
//!
//! - numbers, `True`, `False`, `nan`, `inf`, `pi`, and the names of arrays;
//! - `|`, `^`, `&`, comparisons, `<<`, `>>`, `+`, `-`, `*`, `/`, `//`, `%`, unary `-`, `+` and `~`, `**`;
//! - functions of elements by their names, `clip(x, least, most)`, `cast(x, "type")`;
//! - reductions, `var`, `std`, `median` and `quantile(x, q=0.9)` with `axis=` a number or a name, or a list of them, and `keepdims=`:
//!   `mean(x, axis=["y", "x"])`; of elements where a mask is true: `sum(x, where=x > 3)`, `max(x, where=x < 9, initial=0)`;
//! - the same of groups by labels, `mean(t, by=zones, axis=["y", "x"], expected=3000)`, or by several,
//!   `mean(t, by=[month, zones], axis=[["time"], ["y", "x"]], expected=[12, 3000])`, and `back(x)` of what they give;
//! - `coordinate(t, axis="time")`: the coordinates of an axis, `mean(t, axis=0, by=coordinate(t, axis=0) % 12, expected=12)`;
//! - functions with arguments that have names: `rolling(x, how="mean", axis="time", width=7)`; see [`call`](super::call);
//! - indices and slices of coordinates: `x[0:10, ..., ::2]`;
//! - several expressions with names, `m = mean(x); y = x - m`, of which later ones may use earlier ones.

use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::called::Reducing;
use crate::compute::calls;
use crate::compute::cast::{Cast, Rounding};
use crate::compute::expr::{Lazy, Operand};
use crate::compute::function::Function;
use crate::compute::keywords::{Keywords, number};
use crate::compute::named::Argument;
use crate::compute::tokens::{Token, Tokens, at, wrong_at};
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
    let mut parser = Parser::new(text, sources)?;
    let parsed = parser.expression(0)?;
    parser.tokens.expect_end()?;
    expression_of(parsed)
}

/// The expressions that `text` is, with their names: `m = mean(t); t - m`. Those that are separated by `;` may use the names of
/// earlier ones; only the last may have none.
///
/// ```
/// use bigarrays::compute::{Lazy, parse_all};
/// use bigarrays::{DataType, Domain};
///
/// let t = Lazy::of_elements(&Domain::from_shape(&[2])?, DataType::U8, &[3, 4])?;
/// let parsed = parse_all("m = max(t); m - t[0]", &|name| (name == "t").then(|| t.clone()))?;
/// assert_eq!(parsed[0].0.as_deref(), Some("m"));
/// assert_eq!(parsed[1].1.text(), "(max(memory, axis=[0]) - memory)");
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// As [`parse`]; `InvalidArgument` for a name that two expressions have, or an array.
pub fn parse_all(text: &str, sources: &dyn Fn(&str) -> Option<Lazy>) -> Result<Vec<(Option<String>, Lazy)>> {
    let mut parser = Parser::new(text, sources)?;
    let mut found = Vec::new();
    loop {
        let name = parser.name()?;
        let parsed = parser.expression(0)?;
        found.push((name.clone(), expression_of(parsed.clone())?));
        let Some(name) = name else {
            // A `;` at the end is none between expressions.
            parser.tokens.takes(";");
            parser.tokens.expect_end()?;
            return Ok(found);
        };
        parser.named.push((name, parsed));
        if !parser.tokens.takes(";") || parser.tokens.peek() == &Token::End {
            parser.tokens.expect_end()?;
            return Ok(found);
        }
    }
}

fn expression_of(operand: Operand) -> Result<Lazy> {
    match operand {
        Operand::Lazy(lazy) => Ok(lazy),
        Operand::Literal(literal) => {
            let dtype = literal.own_type();
            Lazy::constant(literal.bytes(dtype)?, dtype)
        }
    }
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

/// What a name stands for that is none of an earlier expression.
fn known(name: &str, sources: &dyn Fn(&str) -> Option<Lazy>) -> Option<Operand> {
    let real = |value: f64| Some(Operand::Literal(Literal::Real(value)));
    match name {
        "True" => Some(Operand::Literal(Literal::Bool(true))),
        "False" => Some(Operand::Literal(Literal::Bool(false))),
        "nan" => real(f64::NAN),
        "inf" => real(f64::INFINITY),
        "pi" => real(std::f64::consts::PI),
        name => sources(name).map(Operand::Lazy),
    }
}

/// Whether a name stands for a number, such as `pi`, and cannot be that of an array.
pub fn is_number(name: &str) -> bool {
    known(name, &|_| None).is_some()
}

struct Parser<'a> {
    tokens: Tokens,
    sources: &'a dyn Fn(&str) -> Option<Lazy>,
    /// Earlier expressions.
    named: Vec<(String, Operand)>,
    depth: usize,
    size: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &str, sources: &'a dyn Fn(&str) -> Option<Lazy>) -> Result<Self> {
        Ok(Self { tokens: Tokens::new(text)?, sources, named: Vec::new(), depth: 0, size: 0 })
    }
}

impl Parser<'_> {
    /// The name that an expression is given, if it is.
    fn name(&mut self) -> Result<Option<String>> {
        let Self { tokens, named, sources, .. } = self;
        tokens.assigned(|name| known(name, *sources).is_none() && !named.iter().any(|one| one.0 == name))
    }

    /// An expression of operators that bind tighter than `least`.
    fn expression(&mut self, least: u8) -> Result<Operand> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.tokens.wrong("no more brackets within brackets"));
        }
        let mut left = self.operand()?;
        loop {
            let position = self.tokens.position();
            let Token::Sign(sign) = *self.tokens.peek() else { break };
            let Some(&(_, function, binds)) = BINARY.iter().find(|row| row.0 == sign && row.2 > least) else {
                break;
            };
            self.tokens.next();
            // Powers are taken from the right.
            let right = self.expression(if function == Function::Power { SIGNED - 1 } else { binds })?;
            left = self.apply(function, &[left, right], position)?;
            if binds == 4
                && BINARY.iter().any(|row| {
                    row.2 == 4 && matches!(self.tokens.peek(), Token::Sign(next) if *next == row.0)
                })
            {
                return Err(self.tokens.wrong("brackets: comparisons do not follow each other"));
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// An operand, and the slices behind it.
    fn operand(&mut self) -> Result<Operand> {
        let mut operand = self.unsliced()?;
        loop {
            let position = self.tokens.position();
            if !self.tokens.takes("[") {
                return Ok(operand);
            }
            let of = self.lazy(&operand, position)?;
            let indices = self.tokens.indices(of.ndim())?;
            self.size += 1;
            if self.size > LARGEST {
                return Err(wrong_at(position, "a shorter expression", ""));
            }
            operand = of.slice(&indices).map(Operand::Lazy).map_err(|error| at(&error, position))?;
        }
    }

    fn unsliced(&mut self) -> Result<Operand> {
        let position = self.tokens.position();
        match self.tokens.next() {
            Token::Number(literal) => Ok(Operand::Literal(literal)),
            Token::Name(name) => self.named(&name, position),
            Token::Sign("(") => {
                let inside = self.expression(0)?;
                self.tokens.expect(")")?;
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
                self.tokens.back_to(position);
                Err(self.tokens.wrong("an operand"))
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
        if !self.tokens.takes("(") {
            let earlier = self.named.iter().find(|known| known.0 == name).map(|known| known.1.clone());
            let found = earlier.or_else(|| known(name, self.sources));
            return found.ok_or_else(|| wrong_at(position, "the name of an array", name));
        }
        if calls::is_known(name) {
            return self.call(name, position);
        }
        let first = self.expression(0)?;
        if let Some(reducing) = Reducing::named(name) {
            return self.reduction(reducing, first, position);
        }
        let mut arguments = vec![first];
        if name == "back" || name == "coordinate" {
            return self.of_axis_or_groups(name, &arguments[0], position);
        }
        if name == "cast" {
            self.tokens.expect(",")?;
            let Token::Text(dtype) = self.tokens.next() else {
                return Err(self.tokens.wrong("a type, such as \"float32\""));
            };
            self.tokens.expect(")")?;
            let lazy = self.lazy(&arguments[0], position)?;
            let how = Cast { rounding: Rounding::Zero, ..Cast::default() };
            let cast = dtype.parse::<DataType>().and_then(|dtype| lazy.cast(dtype, how));
            return cast.map(Operand::Lazy).map_err(|error| at(&error, position));
        }
        while self.tokens.takes(",") {
            arguments.push(self.expression(0)?);
        }
        self.tokens.expect(")")?;
        match (name, &arguments[..]) {
            ("clip", [of, least, most]) => {
                let above = self.apply(Function::Maximum, &[of.clone(), least.clone()], position)?;
                self.apply(Function::Minimum, &[above, most.clone()], position)
            }
            (name, arguments) => {
                // As Python calls them.
                let of_numpy = match name {
                    "abs" => "absolute",
                    "round" => "rint",
                    name => name,
                };
                let function = Function::named(of_numpy);
                let function = function.ok_or_else(|| wrong_at(position, "a function", name))?;
                self.apply(function, arguments, position)
            }
        }
    }

    /// The rest of a call of a function with arguments that have names, which stand behind those that have none.
    fn call(&mut self, name: &str, position: usize) -> Result<Operand> {
        let (mut of, mut named): (Vec<Lazy>, Vec<(String, Argument)>) = (Vec::new(), Vec::new());
        loop {
            let position = self.tokens.position();
            if let Some(name) = self.tokens.assigned(|name| !named.iter().any(|known| known.0 == name))? {
                named.push((name, self.argument()?));
            } else if named.is_empty() {
                let operand = self.expression(0)?;
                of.push(self.lazy(&operand, position)?);
            } else {
                return Err(self.tokens.wrong("an argument with a name, such as axis="));
            }
            if !self.tokens.takes(",") {
                break;
            }
        }
        self.tokens.expect(")")?;
        self.size += 1;
        calls::call(name, &of, &named).map(Operand::Lazy).map_err(|error| at(&error, position))
    }

    /// What stands behind the name of an argument.
    fn argument(&mut self) -> Result<Argument> {
        if self.tokens.takes("[") {
            let mut all = vec![self.argument()?];
            while self.tokens.takes(",") {
                all.push(self.argument()?);
            }
            self.tokens.expect("]")?;
            return Ok(Argument::List(all));
        }
        if let Token::Text(text) = self.tokens.peek() {
            let text = text.clone();
            self.tokens.next();
            return Ok(Argument::Text(text));
        }
        Ok(match self.expression(0)? {
            Operand::Lazy(lazy) => Argument::Lazy(lazy),
            Operand::Literal(literal) => Argument::Literal(literal),
        })
    }

    /// The rest of a call of a function of groups or of an axis.
    fn of_axis_or_groups(&mut self, name: &str, of: &Operand, position: usize) -> Result<Operand> {
        let of = self.lazy(of, position)?;
        let (is_back, mut found) = (name == "back", None);
        if is_back {
            found = Some(of.back());
        }
        if self.tokens.takes(",") {
            let wanted = if is_back { "fill" } else { "axis" };
            let at = self.tokens.position();
            if !matches!(self.tokens.next(), Token::Name(name) if name == wanted) {
                return Err(wrong_at(at, &format!("{wanted}="), ""));
            }
            self.tokens.expect("=")?;
            found = Some(match is_back {
                true => of.back_or(number(&mut self.tokens)?),
                false => of.coordinate(self.tokens.axes(&of)?[0]),
            });
        }
        self.tokens.expect(")")?;
        let found = found.unwrap_or_else(|| of.coordinate(0));
        found.map(Operand::Lazy).map_err(|error| at(&error, position))
    }

    /// An expression of labels, or a list of them.
    fn labels(&mut self) -> Result<Vec<Lazy>> {
        let is_list = self.tokens.takes("[");
        let mut all = Vec::new();
        loop {
            let position = self.tokens.position();
            let labels = self.expression(0)?;
            all.push(self.lazy(&labels, position)?);
            if !(is_list && self.tokens.takes(",")) {
                break;
            }
        }
        if is_list {
            self.tokens.expect("]")?;
        }
        Ok(all)
    }

    fn lazy(&self, operand: &Operand, position: usize) -> Result<Lazy> {
        match operand {
            Operand::Lazy(lazy) => Ok(lazy.clone()),
            Operand::Literal(_) => Err(wrong_at(position, "an expression of arrays", "")),
        }
    }

    /// The rest of a call of a reduction, behind its operand.
    fn reduction(&mut self, reducing: Reducing, of: Operand, position: usize) -> Result<Operand> {
        let of = self.lazy(&of, position)?;
        let mut given = Keywords::default();
        while self.tokens.takes(",") {
            let position = self.tokens.position();
            let Token::Name(name) = self.tokens.next() else {
                return Err(wrong_at(position, "axis= or keepdims= behind what is reduced", ""));
            };
            self.tokens.expect("=")?;
            match &*name {
                "by" if given.by.is_empty() => given.by = self.labels()?,
                "where" if given.mask.is_none() => {
                    let at = self.tokens.position();
                    let operand = self.expression(0)?;
                    given.mask = Some(self.lazy(&operand, at)?);
                }
                name => given.take((name, position), &mut self.tokens, &of)?,
            }
        }
        self.tokens.expect(")")?;
        let found = given.reduced(reducing, &of);
        found.map(Operand::Lazy).map_err(|error| at(&error, position))
    }
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
            ("-a[0] ** a[1, :][0:1]", "negative((memory ** memory))"),
            ("sum(a, where=a > 1, axis=0)", "sum(where((memory > 1), memory, 0), axis=[0])"),
            (
                "max(a, where=(a < 3) | (a == 7), initial=2)",
                "maximum(max(where(((memory < 3) | (memory == 7)), memory, 2), axis=[0, 1]), 2)",
            ),
            ("std(a, axis=0)", "sqrt((squared_distances(memory, axis=[0]) / 2))"),
            ("var(a, axis=0, ddof=1)", "(squared_distances(memory, axis=[0]) / 1)"),
            ("mean(a, axis=0, by=coordinate(a) % 2, expected=2)", "mean(memory, axis=[0], groups=2)"),
            ("back(max(a, by=a, expected=5), fill=7)", "back(max(memory, axis=[0, 1], groups=5))"),
            ("quantile(a, q=[0.5, 1], axis=1, method=\"lower\")", "quantile(memory)"),
            ("nanmedian(a)", "quantile(memory)"),
            (
                "sum(a, axis=[[0], [1]], by=[coordinate(a, axis=0), coordinate(a, axis=1)], expected=[2, 3])",
                "sum(memory, axis=[0, 1], groups=6)",
            ),
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
            ("a[0", 4),
            ("a[0 0]", 5),
            ("a[]", 3),
            ("a[-]", 4),
            ("a[..., ...]", 8),
            ("1[0]", 2),
            ("a[0, 0, 0]", 2),
            ("a[7]", 2),
            ("a[99999999999999999999]", 3),
            ("mean(a, axis=0, axis=1)", 17),
            ("mean(a, keepdims=1)", 18),
            ("mean(a, where=1)", 15),
            ("mean(a, where=a)", 1),
            ("max(a, where=a > 1)", 1),
            ("max(a, initial=a)", 16),
            ("sum(a, where=a > 1, where=a > 2)", 21),
            ("mean(a, by=1)", 12),
            ("mean(a, axis=[[0], [1]])", 1),
            ("mean(a, axis=[[0], 1])", 1),
            ("mean(a, axis=[[0], [1], [0]], by=[a, a], expected=[2, 2])", 1),
            ("mean(a, by=a)", 1),
            ("mean(a, expected=2)", 1),
            ("mean(a, q=2)", 1),
            ("median(a, q=0.5)", 1),
            ("quantile(a)", 1),
            ("quantile(a, q=0.5, method=\"x\")", 27),
            ("mean(a, other=2)", 9),
            ("back(a)", 1),
            ("back(a, axis=0)", 9),
            ("a; a", 2),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(&format!("at character {position} ")), "{text}: {error}");
        }
        for (text, position) in
            [("b = 1; a", 1), ("x = a; x = a", 8), ("a; a", 4), ("x = ", 5), ("x = a y = a", 7)]
        {
            let source = |name: &str| parsed("a").ok().filter(|_| ["a", "b"].contains(&name));
            let error = parse_all(text, &source).unwrap_err().to_string();
            assert!(error.contains(&format!("at character {position} ")), "{text}: {error}");
        }
        assert!(parsed(&"(".repeat(100_000)).is_err() && parsed(&"-".repeat(100_000)).is_err());
        assert!(parsed(&"a+".repeat(100_000)).is_err());
    }
    #[test]
    fn slices_are_of_coordinates_and_axes_may_stay() {
        let domain = "-3:5,0:6,2:9".parse().unwrap();
        let array = Lazy::of_elements(&domain, DataType::U8, &[1; 8 * 6 * 7]).unwrap();
        for (text, expected) in [
            ("a[-3:0]", "-3:0,0:6,2:9"),
            ("a[..., 4]", "-3:5,0:6"),
            ("a[-1, ..., ::2]", "0:6,1:5"),
            ("a[:, ::-1, 3:5,]", "-3:5,-5:1,3:5"),
            ("a[...]", "-3:5,0:6,2:9"),
            ("mean(a, keepdims=True, axis=[0, 2])", "-3:-2,0:6,2:3"),
            ("var(a, axis=0, keepdims=False)", "0:6,2:9"),
            ("nanstd(a[2:4], axis=-1)[3, :2]", "0:2"),
        ] {
            let found = parse(text, &|name| (name == "a").then(|| array.clone()));
            assert_eq!(found.unwrap().domain().to_string(), expected, "{text}");
        }
        let source = |name: &str| (name == "a").then(|| array.clone());
        let all = parse_all("m = mean(a); k = 2; s = (a - m) * k;", &source).unwrap();
        assert_eq!(all.iter().map(|one| one.0.as_deref().unwrap()).collect::<Vec<_>>(), ["m", "k", "s"]);
        assert_eq!(all[2].1.text(), "((memory - mean(memory, axis=[0, 1, 2])) * 2)");
        assert_eq!(parse_all("a", &source).unwrap()[0].0, None);
    }
}
