//! Many writers of one local layer: no update is lost, and a killed writer leaves every chunk whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::time::Duration;

use bigarrays::format::NewSharding;
use bigarrays::store::Settings;

use common::writers::{self, Layer};

fn layer(folder: &Path) -> Layer {
    Layer { url: folder.to_str().unwrap().to_owned(), settings: Settings::new(), rounds: 25 }
}

#[test]
fn write_overlapping_boxes() {
    writers::write_overlapping_boxes();
}

#[test]
fn eight_processes_writing_overlapping_boxes_lose_nothing() {
    let one_shard = "preshift_bits=1,minishard_bits=2,shard_bits=0,data_encoding=gzip".parse().unwrap();
    for sharding in [NewSharding::None, NewSharding::Auto, NewSharding::Neuroglancer(one_shard)] {
        let folder = tempfile::tempdir().unwrap();
        let layer = layer(folder.path());
        let array = layer.create("gzip", sharding);
        layer.written_by_all("write_overlapping_boxes");
        writers::assert_no_update_lost(&layer, &array);
    }
}

#[test]
fn write_a_comb() {
    writers::write_a_comb();
}

/// Writers own every eighth plane each, so that all of them change all chunks, and nobody else may
/// touch what one has written.
#[test]
fn eight_processes_writing_interleaved_planes_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let layer = layer(folder.path());
    let array = layer.create("raw", NewSharding::None);
    layer.written_by_all("write_a_comb");
    writers::assert_combs_are_whole(&layer, &array);
}

#[test]
fn write_until_killed() {
    writers::write_until_killed();
}

#[test]
fn two_hundred_killed_writers_leave_every_chunk_whole() {
    let folder = tempfile::tempdir().unwrap();
    let layer = layer(folder.path());
    let array = layer.create("raw", NewSharding::None);
    writers::chunks_stay_whole(&layer, &array, 200, Duration::from_millis(14));
    // An error if the leftovers of dead writers block a live one.
    let waits = layer.options().lock_timeout(Some(Duration::from_secs(60)));
    writers::assert_writable(&waits.open(&layer.url).unwrap());
}
