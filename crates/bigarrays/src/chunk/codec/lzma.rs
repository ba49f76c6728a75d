//! `lzma`: as numcodecs has it, which names formats and filters of Python's module of that name. Streams of xz without
//! filters of their own are those of the codec `xz`.
//!
//! <https://docs.python.org/3/library/lzma.html#specifying-custom-filter-chains>

use liblzma::stream::{CONCATENATED, Filters, LzmaOptions, MatchFinder, Mode, Stream};
use serde_json::{Map, Value};

use crate::base::error::{Error, Result};
use crate::base::member::{Member, integer};
use crate::chunk::codec::dialect::{Built, Dialect, Elements, Entry, Kind, Row, Words, has};
use crate::chunk::codec::xz::{DECODER_BYTES, Xz, XzCheck, decode, encode, working_bytes};
use crate::chunk::codec::{Asked, BytesCodec, Work};
use crate::chunk::config::{Config, Parameter};

const NAME: &str = "lzma";

/// LZMA in another container than one of xz with the usual filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lzma {
    container: LzmaContainer,
    preset: u32,
    filters: Vec<LzmaFilter>,
}

/// What is around LZMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LzmaContainer {
    /// Streams of xz, which say by which filters they were made.
    Xz,
    /// The older `.lzma`.
    Alone,
    /// Nothing: all depends on the filters.
    Raw,
}

impl LzmaContainer {
    /// In the order of their numbers in Python, from 1 on.
    const ALL: [Self; 3] = [Self::Xz, Self::Alone, Self::Raw];

    fn name(self) -> &'static str {
        ["xz", "alone", "raw"][self as usize]
    }
}

/// One filter of a chain: its name and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LzmaFilter {
    name: &'static str,
    options: Vec<(&'static str, u64)>,
}

/// The names of filters and their numbers in Python.
const FILTERS: [(&str, u64); 3] = [("lzma1", 0x4000_0000_0000_0001), ("delta", 3), ("lzma2", 0x21)];

/// What can be said of a filter, and how much at most.
const OPTIONS: [(&str, u64); 10] = [
    ("dist", 256),
    ("preset", 0x8000_0009),
    ("dict_size", 1 << 26),
    ("lc", 4),
    ("lp", 4),
    ("pb", 4),
    ("mode", 2),
    ("nice_len", 273),
    ("mf", 20),
    ("depth", 1 << 20),
];

impl LzmaFilter {
    /// The filter `lzma1`, `lzma2` or `delta` with options as Python calls them, such as `dict_size`.
    ///
    /// # Errors
    /// `InvalidArgument` naming what is not known, or beyond its range.
    pub fn new(name: &str, options: &[(&str, u64)]) -> Result<Self> {
        let known =
            |all: &[(&'static str, u64)], name: &str| all.iter().find(|(known, _)| *known == name).copied();
        let unknown = || Error::invalid(format!("{NAME}: no filter {name:?}"));
        let (name, _) = known(&FILTERS, name).ok_or_else(unknown)?;
        let option = |&(option, value): &(&str, u64)| {
            let (option, most) = known(&OPTIONS, option)
                .filter(|(option, _)| (*option == "dist") == (name == "delta"))
                .ok_or_else(|| Error::invalid(format!("{NAME}: the filter {name} has no {option:?}")))?;
            match value <= most && (option != "dist" || value > 0) {
                true => Ok((option, value)),
                false => Err(Error::invalid(format!("{NAME}: {option} {value} of at most {most}"))),
            }
        };
        Ok(Self { name, options: options.iter().map(option).collect::<Result<_>>()? })
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }

    fn config(&self) -> Config {
        self.options.iter().fold(Config::new(self.name), |config, &(name, value)| config.with(name, value))
    }

    /// The parameters of LZMA.
    fn lzma(&self) -> Result<LzmaOptions> {
        let preset = self.get("preset").map_or(Xz::DEFAULT_PRESET, |preset| preset as u32);
        let unknown = |error| Error::invalid(format!("{NAME}: preset {preset}")).caused_by(error);
        let mut options = LzmaOptions::new_preset(preset).map_err(unknown)?;
        for &(name, value) in &self.options {
            let number = value as u32;
            match (name, number) {
                ("dict_size", _) => options.dict_size(number),
                ("lc", _) => options.literal_context_bits(number),
                ("lp", _) => options.literal_position_bits(number),
                ("pb", _) => options.position_bits(number),
                ("nice_len", _) => options.nice_len(number),
                ("depth", _) => options.depth(number),
                ("mode", 1) => options.mode(Mode::Fast),
                ("mode", 2) => options.mode(Mode::Normal),
                ("mf", 0x03) => options.match_finder(MatchFinder::HashChain3),
                ("mf", 0x04) => options.match_finder(MatchFinder::HashChain4),
                ("mf", 0x12) => options.match_finder(MatchFinder::BinaryTree2),
                ("mf", 0x13) => options.match_finder(MatchFinder::BinaryTree3),
                ("mf", 0x14) => options.match_finder(MatchFinder::BinaryTree4),
                ("preset", _) => &mut options,
                _ => return Err(Error::invalid(format!("{NAME}: no {name} {value}"))),
            };
        }
        Ok(options)
    }
}

impl Lzma {
    /// LZMA of a preset from 0 to 9, or by filters, which `raw` needs; the last is `lzma1` or `lzma2`.
    ///
    /// # Errors
    /// `InvalidArgument` naming what is wrong of them.
    pub fn new(container: LzmaContainer, preset: u32, filters: Vec<LzmaFilter>) -> Result<Self> {
        let wrong = |what: &str| Err(Error::invalid(format!("{NAME} in {}: {what}", container.name())));
        let lzma: Vec<&str> =
            filters.iter().map(|filter| filter.name).filter(|name| *name != "delta").collect();
        let is_last = filters.last().is_some_and(|last| last.name != "delta");
        match (container, &lzma[..]) {
            _ if preset > 9 => return wrong("a preset is not beyond 9"),
            (LzmaContainer::Alone, []) if filters.is_empty() => {}
            (LzmaContainer::Alone, ["lzma1"]) if filters.len() == 1 => {}
            (LzmaContainer::Xz, ["lzma2"]) | (LzmaContainer::Raw, ["lzma1" | "lzma2"])
                if is_last && filters.len() <= 4 => {}
            _ => return wrong("the filters do not make a chain"),
        }
        let built = Self { container, preset, filters };
        built
            .filters
            .iter()
            .filter(|filter| filter.name != "delta")
            .try_for_each(|one| one.lzma().map(drop))?;
        Ok(built)
    }

    fn chain(&self) -> Result<Filters> {
        let mut chain = Filters::new();
        for filter in &self.filters {
            match filter.name {
                "delta" => {
                    let distance = filter.get("dist").unwrap_or(1) - 1;
                    chain
                        .delta_properties(&[distance as u8])
                        .map_err(|error| Error::invalid(format!("{NAME}: delta")).caused_by(error))?;
                }
                "lzma1" => {
                    chain.lzma1(&filter.lzma()?);
                }
                _ => {
                    chain.lzma2(&filter.lzma()?);
                }
            }
        }
        Ok(chain)
    }

    fn encoder(&self) -> Result<Stream> {
        let stream = match (self.container, self.filters.first()) {
            (LzmaContainer::Xz, _) => Stream::new_stream_encoder(&self.chain()?, XzCheck::default().of()),
            (LzmaContainer::Raw, _) => Stream::new_raw_encoder(&self.chain()?),
            (LzmaContainer::Alone, Some(filter)) => Stream::new_lzma_encoder(&filter.lzma()?),
            (LzmaContainer::Alone, None) => {
                LzmaOptions::new_preset(self.preset).and_then(|options| Stream::new_lzma_encoder(&options))
            }
        };
        stream.map_err(|error| Error::invalid(format!("{NAME}: cannot compress")).caused_by(error))
    }

    fn decoder(&self) -> Result<Stream> {
        let stream = match self.container {
            LzmaContainer::Xz => Stream::new_stream_decoder(DECODER_BYTES, CONCATENATED),
            LzmaContainer::Alone => Stream::new_lzma_decoder(DECODER_BYTES),
            LzmaContainer::Raw => Stream::new_raw_decoder(&self.chain()?),
        };
        stream.map_err(|error| Error::corrupt(format!("{NAME}: damaged")).caused_by(error))
    }
}

impl BytesCodec for Lzma {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config(&self) -> Config {
        let filters = self.filters.iter().map(|filter| Parameter::from(filter.config()));
        Config::new(NAME)
            .with("container", self.container.name())
            .with("level", self.preset)
            .with("filters", filters.collect::<Parameter>())
    }

    fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        encode(self.encoder()?, bytes, out)
    }

    fn working_bytes(&self, work: Work, len: u64) -> u64 {
        working_bytes(work, self.preset, len)
    }

    fn writes_all(&self, _: Asked) -> bool {
        true
    }

    fn decode(&self, bytes: &[u8], max_len: usize, out: &mut Vec<u8>) -> Result<usize> {
        decode(NAME, self.decoder()?, bytes, max_len, out)
    }
}

/// The names and members of this codec, and of `xz`, in each kind of metadata.
pub(super) const ROW: Row = Row {
    configs: &[NAME, "xz"],
    kind: Kind::Bytes,
    words: &[
        Words { dialect: Dialect::Zarr3, names: &["numcodecs.lzma", "lzma"], read, write },
        Words { dialect: Dialect::Numcodecs, names: &["lzma"], read, write },
    ],
    at_level: Some(|level, _| Built::bytes(Xz::new(level.unwrap_or(Xz::DEFAULT_PRESET))?)),
};

fn read(entry: &Entry<'_>) -> Result<Built> {
    let members = &entry.members;
    members.expect_only(&["format", "check", "preset", "filters"])?;
    let format = |value: &Value| LzmaContainer::ALL.get(usize::try_from(integer(value)? - 1).ok()?).copied();
    let container = members.optional("format", format, "1, 2 or 3")?.unwrap_or(LzmaContainer::Xz);
    let check = |value: &Value| match integer(value)? {
        -1 => Some(XzCheck::default()),
        number => XzCheck::ALL.into_iter().find(|check| check.number() == number),
    };
    let check = members.optional("check", check, "-1, 0, 1, 4 or 10")?.unwrap_or_default();
    // The highest bit asks for more effort.
    let preset =
        |value: &Value| u32::try_from(integer(value)? & 0x7fff_ffff).ok().filter(|&preset| preset <= 9);
    let preset = members.optional("preset", preset, "a number from 0 to 9")?.unwrap_or(Xz::DEFAULT_PRESET);
    let filters = members.optional("filters", Value::as_array, "a list or null")?;
    let filters =
        filters.into_iter().flatten().enumerate().map(|(k, filter)| read_filter(members, k, filter));
    let filters: Vec<LzmaFilter> = filters.collect::<Result<_>>()?;
    match (container, filters.is_empty()) {
        (LzmaContainer::Xz, true) => Built::bytes(Xz::new(preset)?.with_check(check)),
        _ => Built::bytes(Lzma::new(container, preset, filters)?),
    }
}

fn read_filter(members: &Member<'_>, k: usize, filter: &Value) -> Result<LzmaFilter> {
    let path = format!("{}filters[{k}].", members.path);
    let object = filter.as_object().ok_or_else(|| Error::metadata(format!("{path} expected an object")))?;
    let members = Member { object, path };
    let number = |value: &Value| integer(value).and_then(|number| u64::try_from(number).ok());
    let id = members.required("id", number, "the number of a filter")?;
    let known = FILTERS.iter().find(|(_, known)| *known == id).map(|(name, _)| *name);
    let name = known.ok_or_else(|| Error::unsupported(format!("{}id: unknown filter {id}", members.path)))?;
    let option = |name: &'_ String| Ok((name.clone(), members.required(name, number, "a whole number")?));
    let given = object.keys().filter(|name| *name != "id" && !object[*name].is_null());
    let options: Vec<(String, u64)> = given.map(option).collect::<Result<_>>()?;
    let options: Vec<(&str, u64)> = options.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    LzmaFilter::new(name, &options)
}

fn write(config: &Config, _: Elements) -> Option<Map<String, Value>> {
    let container = LzmaContainer::ALL.iter().position(|one| has(config, "container", one.name()));
    let check = XzCheck::ALL.into_iter().find(|check| has(config, "check", check.name()));
    let filters = match config.get("filters") {
        Some(Parameter::List(filters)) if !filters.is_empty() => {
            filters.iter().map(write_filter).collect::<Option<Value>>()?
        }
        _ => Value::Null,
    };
    Some(Map::from_iter([
        ("format".to_owned(), (container.unwrap_or(0) + 1).into()),
        ("check".to_owned(), check.map_or(-1, XzCheck::number).into()),
        // Python takes one or the other.
        ("preset".to_owned(), if filters.is_null() { config.get("level")?.to_json() } else { Value::Null }),
        ("filters".to_owned(), filters),
    ]))
}

fn write_filter(filter: &Parameter) -> Option<Value> {
    let Parameter::Config(config) = filter else { return None };
    let (_, id) = FILTERS.iter().find(|(name, _)| *name == config.name())?;
    let options = config.parameters().map(|(name, value)| (name.to_owned(), value.to_json()));
    Some(Value::Object(std::iter::once(("id".to_owned(), (*id).into())).chain(options).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::hostile;

    fn chains() -> Vec<Lzma> {
        let filter = |name: &str, options: &[(&str, u64)]| LzmaFilter::new(name, options).unwrap();
        let small = ("dict_size", 1 << 16);
        let of = |container, filters| Lzma::new(container, 6, filters).unwrap();
        vec![
            of(LzmaContainer::Alone, vec![]),
            of(LzmaContainer::Alone, vec![filter("lzma1", &[small, ("lc", 1)])]),
            of(LzmaContainer::Raw, vec![filter("lzma1", &[small, ("pb", 0), ("mode", 1), ("mf", 4)])]),
            of(LzmaContainer::Raw, vec![filter("delta", &[("dist", 4)]), filter("lzma2", &[("preset", 1)])]),
            of(LzmaContainer::Xz, vec![filter("delta", &[]), filter("lzma2", &[small])]),
        ]
    }

    #[test]
    fn hostile_bytes() {
        chains().iter().for_each(|codec| hostile::bytes_codec(codec));
    }

    #[test]
    fn chains_that_are_none_are_refused() {
        let filter = |name: &str| LzmaFilter::new(name, &[]).unwrap();
        for (container, filters) in [
            (LzmaContainer::Raw, vec![]),
            (LzmaContainer::Raw, vec![filter("delta")]),
            (LzmaContainer::Raw, vec![filter("lzma2"), filter("delta")]),
            (LzmaContainer::Alone, vec![filter("lzma2")]),
            (LzmaContainer::Xz, vec![filter("lzma1")]),
        ] {
            assert!(Lzma::new(container, 6, filters.clone()).is_err(), "{container:?} {filters:?}");
        }
        for (name, option) in
            [("delta", ("dist", 257)), ("lzma2", ("dict_size", 1 << 27)), ("lzma2", ("dist", 1))]
        {
            assert!(LzmaFilter::new(name, &[option]).is_err(), "{name} {option:?}");
        }
        assert!(LzmaFilter::new("x86", &[]).is_err());
    }
}
