//! Many writers of one layer in a bucket: no update is lost, whatever happens on the way there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use bigarrays::format::NewSharding;
use testbed::{Access, Proxy, Server};

use common::servers::{faults, place, settings};
use common::writers::{self, Layer};

fn layer(access: &Access, rounds: u32) -> Layer {
    Layer { url: format!("{}/{}", access.url, place()), settings: settings(access), rounds }
}

fn shardings() -> [(NewSharding, u32); 2] {
    let one_shard = "preshift_bits=1,minishard_bits=2,shard_bits=0,data_encoding=gzip".parse().unwrap();
    // All writers change the one shard, each waiting for the others.
    [(NewSharding::None, 1), (NewSharding::Neuroglancer(one_shard), 5)]
}

#[test]
fn write_overlapping_boxes() {
    writers::write_overlapping_boxes();
}

fn no_update_is_lost(server: &Server, rounds: u32) {
    for (sharding, share) in shardings() {
        let layer = layer(server, rounds / share);
        let array = layer.create("gzip", sharding);
        layer.written_by_all("write_overlapping_boxes");
        writers::assert_no_update_lost(&layer, &array);
    }
}

#[test]
fn eight_processes_writing_overlapping_boxes_lose_nothing() {
    no_update_is_lost(&Server::s3s().unwrap(), 25);
}

#[test]
fn eight_processes_writing_overlapping_boxes_lose_nothing_on_another_server() {
    no_update_is_lost(&Server::moto().unwrap(), 5);
}

#[test]
fn eight_processes_lose_nothing_to_faults_in_ten_thousand_requests() {
    let server = Server::s3s().unwrap();
    let proxy = Proxy::start(server.address(), faults()).unwrap();
    for (sharding, share) in shardings() {
        let mut faulty = layer(&server.via(&proxy), 120 / share);
        // Shorter than stalls are. An answer that is late for other reasons is one fault more.
        faulty.settings.set("timeout", "1");
        let clean = Layer { settings: layer(&server, 1).settings, ..faulty.clone() };
        let array = clean.create("gzip", sharding);
        faulty.written_by_all("write_overlapping_boxes");
        writers::assert_no_update_lost(&faulty, &writers::insist(&faulty, || faulty.open()));
        writers::assert_no_update_lost(&clean, &array);
    }
    let counts = proxy.counts();
    for fault in ["reset", "stall", "stall-body", "truncate", "truncate-lying", "lost", "500", "503", "429"] {
        assert!(counts.faults(Some(fault)) > 0, "{fault}: {counts:?}");
    }
    assert!(counts.requests > 10_000, "{counts:?}");
}

#[test]
fn write_until_killed() {
    writers::write_until_killed();
}

#[test]
fn killed_writers_leave_every_chunk_whole() {
    let server = Server::s3s().unwrap();
    let layer = layer(&server, 0);
    let array = layer.create("raw", NewSharding::None);
    writers::chunks_stay_whole(&layer, &array, 30, Duration::from_millis(120));
    writers::assert_writable(&array);
}
