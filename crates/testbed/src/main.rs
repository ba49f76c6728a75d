//! `testbed serve KIND` and `testbed proxy`: what Python tests and benchmarks start. Each prints one line
//! of JSON when it is ready, and runs until its standard input closes or it is killed.
#![allow(clippy::print_stdout, reason = "its output is how the caller learns the addresses")]

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::json;
use testbed::{Faults, Kind, Proxy, Server};

/// Real object and web servers on loopback, and faults in front of them.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server with an empty bucket: prints {"url", "endpoint", "env"}
    Serve {
        /// Which server
        kind: Kind,
        /// The directory that a file server serves
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Start a proxy: prints {"endpoint"}; counts are at /.testbed/counts
    Proxy {
        /// HOST:PORT of the server
        #[arg(long)]
        upstream: SocketAddr,
        /// The port to listen on; a free one if not given
        #[arg(long, default_value_t = 0)]
        listen: u16,
        /// Added to each request: 20ms
        #[arg(long, default_value = "0ms", value_parser = duration)]
        latency: Duration,
        /// Faults and their probabilities: reset=0.02,503=0.01
        #[arg(long, default_value = "")]
        faults: Faults,
        /// How long a stalled connection is held: 60s
        #[arg(long, default_value = "60s", value_parser = duration)]
        stall: Duration,
        /// The seed of the draws
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

/// `20ms` or `3s`.
fn duration(text: &str) -> Result<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').context("a duration ends in ms or s")?, 1.0),
    };
    Ok(Duration::try_from_secs_f64(number.parse::<f64>()? * unit)?)
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Serve { kind, dir } => {
            let server = Server::start(kind, dir.as_deref())?;
            let env: serde_json::Map<_, _> =
                server.options.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
            run(&json!({ "url": server.url, "endpoint": server.endpoint, "env": env }))
        }
        Command::Proxy { upstream, listen, latency, faults, stall, seed } => {
            let faults = faults.latency(latency).stall_for(stall).seed(seed);
            let proxy = Proxy::start_on(listen, upstream, faults)?;
            run(&json!({ "endpoint": format!("http://{}", proxy.address()) }))
        }
    }
}

/// Tells that it is ready, and waits for the end of the input.
fn run(ready: &serde_json::Value) -> Result<()> {
    println!("{ready}");
    io::stdout().flush()?;
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}
