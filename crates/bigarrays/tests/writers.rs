//! Many writers of one layer: no update is lost, and a killed writer leaves every chunk whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use bigarrays::format::NewSharding;
use bigarrays::ndarray::{ArrayD, IxDyn};
use bigarrays::{Array, CreateSpec, DataType, Domain, Index, OpenOptions};

const WRITERS: u32 = 8;
const ROUNDS: u32 = 25;
const DOMAIN: &str = "-7:57,3:61,-20:12";

fn create(url: &Path, encoding: &str) -> Array {
    create_sharded(url, encoding, NewSharding::None)
}

fn create_sharded(url: &Path, encoding: &str, sharding: NewSharding) -> Array {
    let mut spec = CreateSpec::new(DataType::U32, DOMAIN.parse().unwrap());
    spec.chunk = Some(vec![16, 20, 8]);
    spec.encoding = Some(encoding.to_owned());
    spec.sharding = sharding;
    OpenOptions::new().create(url.to_str().unwrap(), &spec).unwrap()
}

/// This test binary again, running only the test `role` with the given layer and number.
fn spawn(role: &str, url: &Path, number: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", role, "--nocapture"])
        .env("BIGARRAYS_TEST_LAYER", url)
        .env("BIGARRAYS_TEST_NUMBER", number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The layer and number if this process was spawned to play a role.
fn role() -> Option<(Array, u32)> {
    let url = std::env::var("BIGARRAYS_TEST_LAYER").ok()?;
    let number = std::env::var("BIGARRAYS_TEST_NUMBER").ok()?.parse().ok()?;
    Some((Array::open(&url).unwrap(), number))
}

/// A reproducible stream of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A box of at least one voxel inside `domain`.
    fn part(&mut self, domain: &Domain) -> Domain {
        let ranges: Vec<_> = domain
            .ranges()
            .map(|range| {
                let length = range.end.abs_diff(range.start);
                let start = self.below(length - 1);
                let end = start + 1 + self.below(length - start);
                range.start + start as i64..range.start + end as i64
            })
            .collect();
        Domain::from_ranges(&ranges).unwrap()
    }
}

/// The boxes that writer `number` writes, in order.
fn boxes(number: u32, domain: &Domain) -> Vec<Domain> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ u64::from(number + 1) << 40);
    (0..ROUNDS).map(|_| numbers.part(domain)).collect()
}

#[test]
fn write_overlapping_boxes() {
    let Some((array, number)) = role() else { return };
    for (round, part) in (0..).zip(boxes(number, array.domain())) {
        let shape: Vec<usize> = part.shape().iter().map(|&n| n as usize).collect();
        array.write(part.origin(), ArrayD::from_elem(IxDyn(&shape), stamp(number, round)).view()).unwrap();
    }
}

fn stamp(number: u32, round: u32) -> u32 {
    (number + 1) << 16 | round
}

/// Each voxel must hold the last thing that one of the writers wrote there: anything else is an
/// update that was lost to a neighbour's, or brought back.
#[test]
fn eight_processes_writing_overlapping_boxes_lose_nothing() {
    let one_shard = "preshift_bits=1,minishard_bits=2,shard_bits=0,data_encoding=gzip".parse().unwrap();
    for sharding in [NewSharding::None, NewSharding::Auto, NewSharding::Neuroglancer(one_shard)] {
        eight_processes(sharding);
    }
}

fn eight_processes(sharding: NewSharding) {
    let folder = tempfile::tempdir().unwrap();
    let array = create_sharded(folder.path(), "gzip", sharding);
    let writers: Vec<Child> =
        (0..WRITERS).map(|number| spawn("write_overlapping_boxes", folder.path(), number)).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let all: Vec<Vec<Domain>> = (0..WRITERS).map(|number| boxes(number, array.domain())).collect();
    let read = array.read::<u32>(array.domain()).unwrap();
    for (index, &value) in read.data().indexed_iter() {
        let point: Vec<i64> = (0..3).map(|d| read.origin()[d] + index[d] as i64).collect();
        let last = |(number, boxes): (usize, &Vec<Domain>)| {
            let round = boxes.iter().rposition(|part| part.contains_point(&point))?;
            Some(stamp(number as u32, round as u32))
        };
        let mut candidates = all.iter().enumerate().filter_map(last).peekable();
        let expected =
            if candidates.peek().is_none() { value == 0 } else { candidates.any(|stamp| stamp == value) };
        assert!(expected, "{value:#x} at {point:?}");
    }
}

#[test]
fn write_a_comb() {
    let Some((array, number)) = role() else { return };
    let start = array.domain().origin()[0] + i64::from(number);
    let comb = Index::Slice { start: Some(start), stop: None, step: i64::from(WRITERS) };
    let comb = array.slice(&[comb, Index::ALL, Index::ALL]).unwrap();
    for (round, part) in (0..).zip(boxes(number, comb.domain())) {
        let shape: Vec<usize> = part.shape().iter().map(|&n| n as usize).collect();
        comb.write(part.origin(), ArrayD::from_elem(IxDyn(&shape), stamp(number, round)).view()).unwrap();
    }
}

/// Writers own every eighth plane each, so that all of them change all chunks, and nobody else may
/// touch what one has written.
#[test]
fn eight_processes_writing_interleaved_planes_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let array = create(folder.path(), "raw");
    let writers: Vec<Child> =
        (0..WRITERS).map(|number| spawn("write_a_comb", folder.path(), number)).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    for number in 0..WRITERS {
        let start = array.domain().origin()[0] + i64::from(number);
        let comb = Index::Slice { start: Some(start), stop: None, step: i64::from(WRITERS) };
        let comb = array.slice(&[comb, Index::ALL, Index::ALL]).unwrap();
        let read = comb.read::<u32>(comb.domain()).unwrap();
        let written = boxes(number, comb.domain());
        for (index, &value) in read.data().indexed_iter() {
            let point: Vec<i64> = (0..3).map(|d| read.origin()[d] + index[d] as i64).collect();
            let round = written.iter().rposition(|part| part.contains_point(&point));
            assert_eq!(value, round.map_or(0, |round| stamp(number, round as u32)), "at {point:?}");
        }
    }
}

#[test]
fn write_until_killed() {
    let Some((array, number)) = role() else { return };
    let shape: Vec<usize> = array.shape().iter().map(|&n| n as usize).collect();
    for value in number.. {
        array.write(array.domain().origin(), ArrayD::from_elem(IxDyn(&shape), value).view()).unwrap();
        // A box that meets every chunk in part: the same value, by way of a read-modify-write.
        let inner = array.cut(&"-6:56,4:60,-19:11".parse().unwrap()).unwrap();
        let shape: Vec<usize> = inner.shape().iter().map(|&n| n as usize).collect();
        inner.write(inner.domain().origin(), ArrayD::from_elem(IxDyn(&shape), value).view()).unwrap();
    }
}

#[test]
fn two_hundred_killed_writers_leave_every_chunk_whole() {
    let folder = tempfile::tempdir().unwrap();
    let array = create(folder.path(), "raw");
    let mut numbers = Numbers(0xdead_beef);
    let mut changed = 0;
    for attempt in 0..200 {
        let first = attempt * 1000 + 1;
        let mut writer = spawn("write_until_killed", folder.path(), first);
        std::thread::sleep(Duration::from_millis(4 + numbers.below(25)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        for chunk in array.chunks(array.domain()).unwrap() {
            let read = array.read::<u32>(&chunk).unwrap();
            let value = read.data().first().copied().unwrap();
            assert!(read.data().iter().all(|&other| other == value), "chunk {chunk} is torn");
            changed += u32::from(value >= first);
        }
    }
    assert!(
        changed > 100,
        "only {changed} chunks were written: the writers were killed too early to show anything"
    );
    let started = SystemTime::now();
    array.write(array.domain().origin(), ArrayD::from_elem(IxDyn(&[64, 58, 32]), 7u32).view()).unwrap();
    assert!(array.read::<u32>(array.domain()).unwrap().data().iter().all(|&value| value == 7));
    assert!(
        started.elapsed().unwrap() < Duration::from_secs(20),
        "the leftovers of dead writers block a live one"
    );
}
