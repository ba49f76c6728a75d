//! Which fault a request meets: drawn by a seeded generator, or queued for the next request of a method.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use hyper::{Method, StatusCode};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// What may go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset (TCP RST); the server never sees the request.
    Reset,
    /// Nothing is answered, and the server never sees the request; closed after [`Faults::stall_for`].
    Stall,
    /// Half of the answer's body, then nothing; closed after [`Faults::stall_for`].
    StallBody,
    /// Half of the answer's body, then the connection is closed: shorter than its Content-Length says.
    Truncate,
    /// Half of the answer's body as chunks that end properly, without Content-Length: nothing in HTTP
    /// says that there was more, only the ETag, a Content-Range or the value itself do.
    TruncateLying,
    /// No fault: the body as chunks, without Content-Length, as servers of HTTP/1.1 may send it.
    Chunked,
    /// As `Chunked`, and a Content-Range has `*` for the length of the whole.
    UnknownTotal,
    /// The server carries the request out; its answer is dropped with the connection.
    Lost,
    /// As `Lost`, and drawn for PUT alone.
    LostPut,
    /// The conditions of a change are taken off, as if the server did not know them. Signatures that
    /// cover them become wrong.
    IgnoreConditions,
    /// A change on a condition is answered by 501, and the server never sees it.
    RefuseConditions,
    /// This status is answered; the server never sees the request.
    Status(StatusCode),
}

impl Fault {
    const NAMED: [(&str, Self); 11] = [
        ("chunked", Self::Chunked),
        ("unknown-total", Self::UnknownTotal),
        ("reset", Self::Reset),
        ("stall", Self::Stall),
        ("stall-body", Self::StallBody),
        ("truncate", Self::Truncate),
        ("truncate-lying", Self::TruncateLying),
        ("lost", Self::Lost),
        ("lost-put", Self::LostPut),
        ("ignore-conditions", Self::IgnoreConditions),
        ("refuse-conditions", Self::RefuseConditions),
    ];

    fn concerns(self, method: &Method) -> bool {
        self != Self::LostPut || method == Method::PUT
    }

    /// Whether it leaves out how long an answer's body is.
    pub(crate) fn hides_length(self) -> bool {
        matches!(self, Self::Chunked | Self::UnknownTotal)
    }

    /// Whether it cuts an answer's body short.
    pub(crate) fn cuts_body(self) -> bool {
        matches!(self, Self::StallBody | Self::Truncate | Self::TruncateLying)
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        if let Some((_, fault)) = Self::NAMED.iter().find(|(n, _)| *n == name) {
            return Ok(*fault);
        }
        let status = name.parse().ok().filter(|s: &StatusCode| s.is_client_error() || s.is_server_error());
        status.map(Self::Status).with_context(|| {
            let names: Vec<_> = Self::NAMED.iter().map(|(n, _)| *n).collect();
            format!("'{name}' is no fault: {} or a status from 400 to 599", names.join(", "))
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            named => f.write_str(Self::NAMED.iter().find(|(_, fault)| fault == named).map_or("", |(n, _)| n)),
        }
    }
}

/// Faults with their probabilities per request, and how a stall lasts; parsed from `reset=0.02,503=0.01`.
#[derive(Clone, Debug)]
pub struct Faults {
    odds: Vec<(Fault, f64)>,
    seed: u64,
    /// How long a stalled connection is held before it is closed.
    pub stall_for: Duration,
    /// Added before each request is forwarded, once per request and not per connection.
    pub latency: Duration,
    /// Whether what is missing is answered by 403, as buckets do whose contents may not be listed.
    pub hide_missing: bool,
    /// What is in the path and query of every request that meets a drawn fault.
    pub only: String,
}

impl Default for Faults {
    /// No faults and no latency.
    fn default() -> Self {
        Self {
            odds: Vec::new(),
            seed: 0,
            stall_for: Duration::from_secs(60),
            latency: Duration::ZERO,
            hide_missing: false,
            only: String::new(),
        }
    }
}

impl Faults {
    /// No faults and no latency.
    pub fn none() -> Self {
        Self::default()
    }

    /// The seed of the draws: the n-th request to arrive meets the same fault with the same seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Holds stalled connections this long before closing them (60 s unless set).
    #[must_use]
    pub fn stall_for(self, stall_for: Duration) -> Self {
        Self { stall_for, ..self }
    }

    /// Delays each request this long before it is forwarded.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Has what is missing answered by 403, as buckets do whose contents may not be listed.
    #[must_use]
    pub fn hide_missing(self) -> Self {
        Self { hide_missing: true, ..self }
    }

    /// Draws faults only for requests that have this in their path or query.
    #[must_use]
    pub fn only(self, only: &str) -> Self {
        Self { only: only.to_owned(), ..self }
    }

    pub(crate) fn draws(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// One number is drawn per request, whatever it asks for, so that the sequence depends on the seed alone.
    pub(crate) fn draw(&self, draws: &mut StdRng, method: &Method, target: &str) -> Option<Fault> {
        let mut at = draws.random::<f64>();
        for (fault, odds) in &self.odds {
            if at < *odds {
                return Some(*fault).filter(|f| f.concerns(method) && target.contains(&self.only));
            }
            at -= odds;
        }
        None
    }
}

impl FromStr for Faults {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut odds = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                bail!("'{part}' is not FAULT=PROBABILITY")
            };
            let value: f64 = value.parse().with_context(|| format!("'{part}' is not FAULT=PROBABILITY"))?;
            ensure!((0.0..=1.0).contains(&value), "'{part}': a probability is from 0 to 1");
            odds.push((name.parse()?, value));
        }
        ensure!(odds.iter().map(|(_, p)| p).sum::<f64>() <= 1.0, "'{text}' adds up to more than 1");
        Ok(Self { odds, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_met_and_follow_the_seed() {
        let faults: Faults = "reset=0.1, lost-put=0.2,503=0.05".parse().unwrap();
        let run = |seed| {
            let faults = faults.clone().seed(seed);
            let mut draws = faults.draws();
            (0..10_000).map(|_| faults.draw(&mut draws, &Method::PUT, "/a")).collect::<Vec<_>>()
        };
        let drawn = run(1);
        for (fault, expected) in [("reset", 1000.0), ("lost-put", 2000.0), ("503", 500.0)] {
            let count = drawn.iter().filter(|f| **f == Some(fault.parse().unwrap())).count() as f64;
            assert!((count - expected).abs() < 150.0, "{fault}: {count}");
        }
        assert_eq!(drawn, run(1));
        assert_ne!(drawn, run(2));
        let mut draws = faults.draws();
        let mut draw = |faults: &Faults, method| faults.draw(&mut draws, &method, "/a/b?c=d");
        assert!((0..1000).all(|_| draw(&faults, Method::GET) != Some(Fault::LostPut)));
        let always: Faults = "reset=1".parse().unwrap();
        assert!(draw(&always.clone().only("b?c"), Method::GET).is_some());
        assert!(draw(&always.only("/c"), Method::GET).is_none());
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for bad in ["reset", "reset=2", "200=0.1", "typo=0.1", "reset=0.6,lost=0.6", "reset=x"] {
            assert!(bad.parse::<Faults>().is_err(), "{bad}");
        }
    }
}
