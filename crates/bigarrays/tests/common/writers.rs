//! Many writers of one layer, each a process of its own: this test binary again, playing a role.
//! Boxes and stamps are reproducible, so that whoever checks knows what each of them wrote.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bigarrays::format::NewSharding;
use bigarrays::ndarray::{ArrayD, IxDyn};
use bigarrays::store::Settings;
use bigarrays::{Array, CreateSpec, DataType, Domain, ErrorKind, Index, OpenOptions, Result};

pub const WRITERS: u32 = 8;
const DOMAIN: &str = "-7:57,3:61,-20:12";

/// A layer that is written by many, and how many boxes each of them writes.
#[derive(Clone)]
pub struct Layer {
    pub url: String,
    pub settings: Settings,
    pub rounds: u32,
}

impl Layer {
    pub fn options(&self) -> OpenOptions {
        OpenOptions::new().settings(self.settings.clone())
    }

    pub fn create(&self, encoding: &str, sharding: NewSharding) -> Array {
        let mut spec = CreateSpec::new(DataType::U32, DOMAIN.parse().unwrap());
        spec.storage.chunk_shape = Some(vec![16, 20, 8]);
        spec.storage.encoding = Some(encoding.to_owned());
        spec.storage.sharding = sharding;
        self.options().create(&self.url, &spec).unwrap()
    }

    pub fn open(&self) -> Result<Array> {
        self.options().open(&self.url)
    }

    /// This test binary again, running only the test `role`.
    pub fn command(&self, role: &str, number: u32) -> Command {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", role, "--nocapture"])
            .env("BIGARRAYS_TEST_LAYER", &self.url)
            .env("BIGARRAYS_TEST_SETTINGS", settings.join("\n"))
            .env("BIGARRAYS_TEST_ROUNDS", self.rounds.to_string())
            .env("BIGARRAYS_TEST_NUMBER", number.to_string())
            .stdout(Stdio::null());
        command
    }

    pub fn spawn(&self, role: &str, number: u32) -> Child {
        self.command(role, number).spawn().unwrap()
    }

    /// All writers at once, until the last is done.
    pub fn written_by_all(&self, role: &str) {
        let writers: Vec<Child> = (0..WRITERS).map(|number| self.spawn(role, number)).collect();
        for mut writer in writers {
            assert!(writer.wait().unwrap().success());
        }
    }
}

/// The layer and number if this process was spawned to play a role.
pub fn role() -> Option<(Layer, u32)> {
    let variable = |name: &str| std::env::var(format!("BIGARRAYS_TEST_{name}")).ok();
    let mut settings = Settings::new();
    variable("SETTINGS")?.lines().for_each(|pair| settings.parse(pair).unwrap());
    let layer = Layer { url: variable("LAYER")?, settings, rounds: variable("ROUNDS")?.parse().ok()? };
    Some((layer, variable("NUMBER")?.parse().ok()?))
}

/// Does it again after passing failures; every failure must say what was done where.
pub fn insist<T>(layer: &Layer, work: impl Fn() -> Result<T>) -> T {
    let start = Instant::now();
    // Servers are slow to answer where many use the machine.
    while start.elapsed() < Duration::from_secs(300) {
        match work() {
            Ok(done) => return done,
            Err(error) => {
                assert!(error.is_retryable() && error.kind() == ErrorKind::Storage, "{error:?}");
                assert!(error.key().is_some_and(|key| key.starts_with(&layer.url)), "{error:?}");
                assert!(error.operation().is_some(), "{error:?}");
            }
        }
    }
    panic!("it never succeeds");
}

/// A reproducible stream of numbers.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
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
fn boxes(number: u32, rounds: u32, domain: &Domain) -> Vec<Domain> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ u64::from(number + 1) << 40);
    (0..rounds).map(|_| numbers.part(domain)).collect()
}

fn stamp(number: u32, round: u32) -> u32 {
    (number + 1) << 16 | round
}

fn filled(part: &Domain, value: u32) -> ArrayD<u32> {
    let shape: Vec<usize> = part.shape().iter().map(|&n| n as usize).collect();
    ArrayD::from_elem(IxDyn(&shape), value)
}

fn write_boxes(layer: &Layer, array: &Array, number: u32) {
    for (round, part) in (0..).zip(boxes(number, layer.rounds, array.domain())) {
        let data = filled(&part, stamp(number, round));
        insist(layer, || array.write(part.origin(), data.view()));
    }
}

/// The role of one of many whose boxes overlap.
pub fn write_overlapping_boxes() {
    let Some((layer, number)) = role() else { return };
    let array = insist(&layer, || layer.open());
    write_boxes(&layer, &array, number);
}

/// Each voxel must hold the last thing that one of the writers wrote there: anything else is an
/// update that was lost to a neighbour's, or brought back.
pub fn assert_no_update_lost(layer: &Layer, array: &Array) {
    let all: Vec<Vec<Domain>> =
        (0..WRITERS).map(|number| boxes(number, layer.rounds, array.domain())).collect();
    let read = insist(layer, || array.read::<u32>(array.domain()));
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

/// Every eighth plane.
fn comb(array: &Array, number: u32) -> Array {
    let start = array.domain().origin()[0] + i64::from(number);
    let comb = Index::Slice { start: Some(start), stop: None, step: i64::from(WRITERS) };
    array.slice(&[comb, Index::ALL, Index::ALL]).unwrap()
}

/// The role of one of many who own every eighth plane each.
pub fn write_a_comb() {
    let Some((layer, number)) = role() else { return };
    let array = insist(&layer, || layer.open());
    write_boxes(&layer, &comb(&array, number), number);
}

/// Each voxel must hold the last thing that its one writer wrote there.
pub fn assert_combs_are_whole(layer: &Layer, array: &Array) {
    for number in 0..WRITERS {
        let comb = comb(array, number);
        let read = insist(layer, || comb.read::<u32>(comb.domain()));
        let written = boxes(number, layer.rounds, comb.domain());
        for (index, &value) in read.data().indexed_iter() {
            let point: Vec<i64> = (0..3).map(|d| read.origin()[d] + index[d] as i64).collect();
            let round = written.iter().rposition(|part| part.contains_point(&point));
            assert_eq!(value, round.map_or(0, |round| stamp(number, round as u32)), "at {point:?}");
        }
    }
}

/// The role of a writer that is killed.
pub fn write_until_killed() {
    let Some((layer, number)) = role() else { return };
    let array = layer.open().unwrap();
    for value in number.. {
        array.write(array.domain().origin(), filled(array.domain(), value).view()).unwrap();
        if value == number {
            std::io::stderr().write_all(&number.to_le_bytes()).unwrap();
        }
        // A box that meets every chunk in part: the same value, by way of a read-modify-write.
        let inner: Domain = "-6:56,4:60,-19:11".parse().unwrap();
        array.write(inner.origin(), filled(&inner, value).view()).unwrap();
    }
}

/// Starts writers with the role `write_until_killed`, and kills each at most `pause` after it has written every chunk
/// and says so; it goes on writing until then. After each, no chunk may hold two values.
pub fn chunks_stay_whole(layer: &Layer, array: &Array, kills: u32, pause: Duration) {
    let mut numbers = Numbers(0xdead_beef);
    for attempt in 0..kills {
        let first = attempt * 1000 + 1;
        let mut writer = layer.command("write_until_killed", first).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        writer.stderr.as_mut().unwrap().take(4).read_to_end(&mut said).unwrap();
        assert_eq!(said, first.to_le_bytes(), "{}", String::from_utf8_lossy(&said));
        std::thread::sleep(pause.mul_f64(numbers.below(1000) as f64 / 1000.));
        writer.kill().unwrap();
        writer.wait().unwrap();
        for chunk in array.chunks(array.domain()).unwrap() {
            let read = array.read::<u32>(&chunk).unwrap();
            let value = read.data().first().copied().unwrap();
            assert!(read.data().iter().all(|&other| other == value), "chunk {chunk} is torn");
        }
    }
}

/// Writes all of it, and checks that it is there.
pub fn assert_writable(array: &Array) {
    array.write(array.domain().origin(), filled(array.domain(), 7).view()).unwrap();
    assert!(array.read::<u32>(array.domain()).unwrap().data().iter().all(|&value| value == 7));
}
