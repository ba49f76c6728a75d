//! Configurations: what a codec or a layout is, as plain data.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Number, Value};

/// The version of [`Config::key`].
const VERSION: u32 = 1;

/// A name and parameters, in a fixed order. Two codecs whose configurations are equal encode alike.
///
/// ```
/// use bigarrays::chunk::codec::{BytesCodec, Zstd};
///
/// let config = Zstd::new(5)?.config();
/// assert_eq!(config, Zstd::new(5)?.config());
/// assert_ne!(config, Zstd::new(6)?.config());
/// assert_eq!(config.to_string(), "zstd(level 5)");
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    name: &'static str,
    parameters: Vec<(&'static str, Parameter)>,
}

/// The value of one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Parameter {
    None,
    Bool(bool),
    Integer(i128),
    Float(Float),
    Text(String),
    List(Vec<Self>),
    Config(Config),
}

/// A floating-point number that is equal to those of the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Float(u64);

impl Float {
    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Config {
    /// A configuration without parameters.
    pub const fn new(name: &'static str) -> Self {
        Self { name, parameters: Vec::new() }
    }

    /// The configuration with one more parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Parameter>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// The configuration with one more parameter, unless it has its usual value.
    #[must_use]
    pub fn with_unless<T: Into<Parameter> + PartialEq>(self, usual: T, name: &'static str, value: T) -> Self {
        if value == usual { self } else { self.with(name, value) }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The parameters, in their order.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &Parameter)> {
        self.parameters.iter().map(|(name, value)| (*name, value))
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.parameters().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The configuration as JSON: `{"name": …, "configuration": {…}}`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), self.name.into());
        if !self.parameters.is_empty() {
            let configuration = self.parameters().map(|(name, value)| (name.to_owned(), value.to_json()));
            object.insert("configuration".to_owned(), Value::Object(configuration.collect()));
        }
        Value::Object(object)
    }

    /// A text that is the same for equal configurations and different for others, in every run and version that
    /// gives it the same number. Journals go by it.
    pub fn key(&self) -> String {
        format!("{VERSION} {}", self.to_json())
    }
}

impl Parameter {
    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Integer(value) => {
                Number::from_i128(*value).map_or_else(|| value.to_string().into(), Value::Number)
            }
            // The shortest number that reads back as the same bits.
            Self::Float(value) => Number::from_f64(value.get())
                .map_or_else(|| format!("{:#018x}", value.0).into(), Value::Number),
            Self::Text(text) => text.as_str().into(),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Config(config) => config.to_json(),
        }
    }
}

impl fmt::Display for Config {
    /// For people: `zstd(level 3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (at, (name, value)) in self.parameters().enumerate() {
            write!(f, "{}{name} {value}", if at == 0 { "(" } else { ", " })?;
        }
        f.write_str(if self.parameters.is_empty() { "" } else { ")" })
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.get().fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Config(config) => config.fmt(f),
        }
    }
}

macro_rules! from {
    ($($type:ty => $value:ident $make:expr),+ $(,)?) => { $(
        impl From<$type> for Parameter {
            fn from($value: $type) -> Self {
                $make
            }
        }
    )+ };
}

from! {
    bool => value Self::Bool(value),
    u8 => value Self::Integer(value.into()),
    u32 => value Self::Integer(value.into()),
    u64 => value Self::Integer(value.into()),
    i32 => value Self::Integer(value.into()),
    i64 => value Self::Integer(value.into()),
    usize => value Self::Integer(value as i128),
    f64 => value Self::Float(Float(value.to_bits())),
    &str => value Self::Text(value.to_owned()),
    String => value Self::Text(value),
    Cow<'static, str> => value Self::Text(value.into_owned()),
    Config => value Self::Config(value),
}

impl<T: Into<Parameter>> From<Option<T>> for Parameter {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<T: Into<Parameter> + Clone> From<&[T]> for Parameter {
    fn from(values: &[T]) -> Self {
        values.iter().cloned().collect()
    }
}

impl<T: Into<Parameter>> FromIterator<T> for Parameter {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_journals_have_them() {
        let inner = Config::new("raw").with("order", "C").with("endian", "little");
        let config = Config::new("outer")
            .with("level", -3)
            .with("most", u64::MAX)
            .with("scale", 0.1)
            .with("offset", -0.0)
            .with("nothing", None::<u8>)
            .with("axes", &[1usize, 0][..])
            .with("inner", inner);
        assert_eq!(
            config.key(),
            "1 {\"name\":\"outer\",\"configuration\":{\"level\":-3,\"most\":18446744073709551615,\"scale\":0.1,\
             \"offset\":-0.0,\"nothing\":null,\"axes\":[1,0],\"inner\":{\"name\":\"raw\",\"configuration\":\
             {\"order\":\"C\",\"endian\":\"little\"}}}}"
        );
        assert_eq!(
            config.to_string(),
            "outer(level -3, most 18446744073709551615, scale 0.1, offset -0, nothing none, axes 1,0, \
             inner raw(order C, endian little))"
        );
    }

    #[test]
    fn numbers_are_their_bits() {
        let of = |value: f64| Config::new("a").with("x", value);
        let numbers =
            [0.0, -0.0, 1.0, f64::MIN_POSITIVE, 0.1, 0.1 + f64::EPSILON / 16.0, f64::NAN, f64::INFINITY];
        for (i, a) in numbers.into_iter().enumerate() {
            for (j, b) in numbers.into_iter().enumerate() {
                assert_eq!(of(a) == of(b), i == j, "{a} and {b}");
                assert_eq!(of(a).key() == of(b).key(), i == j, "{a} and {b}");
            }
        }
        assert_ne!(of(1.0).key(), Config::new("a").with("x", 1).key());
    }
}
