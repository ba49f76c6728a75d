//! The words of expressions as text.

use crate::base::error::{Error, Result};
use crate::compute::types::Literal;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(Literal),
    Name(String),
    Text(String),
    /// An operator, a bracket or what stands between others.
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 29] = [
    "...", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "^",
    "~", "(", ")", "[", "]", ",", "=", ":", "@", ";",
];

/// The tokens of a text, from one of them on.
pub(super) struct Tokens {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

impl Tokens {
    /// # Errors
    /// `InvalidArgument` for a character that nothing begins with.
    pub(super) fn new(text: &str) -> Result<Self> {
        Ok(Self { tokens: tokens(text)?, at: 0 })
    }

    pub(super) fn expect_end(&self) -> Result<()> {
        if self.peek() == &Token::End { Ok(()) } else { Err(self.wrong("an operator")) }
    }

    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    pub(super) fn position(&self) -> usize {
        self.tokens[self.at].1
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn takes(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if is_it {
            self.next();
        }
        is_it
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<()> {
        if self.takes(sign) { Ok(()) } else { Err(self.wrong(&format!("{sign:?}"))) }
    }

    pub(super) fn wrong(&self, expected: &str) -> Error {
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

    /// Takes a name that `=` follows, if there is one and `is_free` of it.
    pub(super) fn assigned(&mut self, is_free: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let (Token::Name(name), Some((Token::Sign("="), _))) = (self.peek(), self.tokens.get(self.at + 1))
        else {
            return Ok(None);
        };
        if !is_free(name) {
            return Err(self.wrong("a name that nothing else has"));
        }
        let name = name.clone();
        self.at += 2;
        Ok(Some(name))
    }

    /// Goes back to the token at a position.
    pub(super) fn back_to(&mut self, position: usize) {
        self.at = self.tokens.iter().position(|token| token.1 == position).unwrap_or(0);
    }
}

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

/// The error that at a position, from 1, something else was expected.
pub(super) fn wrong_at(position: usize, expected: &str, found: &str) -> Error {
    let found: String = found.chars().take(20).collect();
    let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
    Error::invalid(format!("at character {position} of the expression: expected {expected}, found {found}"))
}

/// The error, with where it is in an expression.
pub(super) fn at(error: &Error, position: usize) -> Error {
    Error::new(error.kind(), format!("at character {position} of the expression: {}", error.reason()))
}
