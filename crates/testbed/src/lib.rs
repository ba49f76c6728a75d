//! What the tests and benchmarks of object stores stand on: real servers on loopback ([`Server`]), and a
//! proxy between them and a client that adds latency, injects faults and counts ([`Proxy`]).
//!
//! ```no_run
//! use testbed::{Fault, Faults, Proxy, Server};
//! let server = Server::moto()?;
//! let proxy = Proxy::start(server.address(), "reset=0.02,503=0.01".parse::<Faults>()?.seed(7))?;
//! let through = server.via(&proxy); // the same bucket, by way of the proxy
//! proxy.inject("PUT", Fault::Lost); // and this for the next PUT in any case
//! println!("{} {:?} {:?}", through.url, through.options, proxy.counts());
//! # anyhow::Ok(())
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code: a failure is a panic")]

mod background;
mod proxy;
mod server;

pub use proxy::{Counts, Fault, Faults, Proxy, Recorded};
pub use server::{Access, Kind, Server};
