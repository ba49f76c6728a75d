//! Flat arrays and named slices against crashes, other processes and a full disk.
//!
//! What needs a process of its own runs this binary again, as the test [`helper`], with its role in an
//! environment variable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bigarrays::flat::{Descr, FlatArray, FlatSpec, Mode, NamedRows, NewSlice, RowBytes, SliceArray};
use bigarrays::{DataType, ErrorKind};

const ROLE: &str = "BIGARRAYS_TEST_ROLE";
const FILE: &str = "BIGARRAYS_TEST_FILE";

/// What takes longer hangs; nothing else depends on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows that are written under the guard, and rows that are reserved.
const SMALL: u64 = 7;
const LARGE: u64 = 140_000;

fn spec() -> FlatSpec {
    FlatSpec::new(Descr::of(DataType::U64), &[0])
}

/// `count` rows that say `value`.
fn rows(value: u64, count: u64) -> Vec<u8> {
    value.to_le_bytes().repeat(count as usize)
}

fn count_of(value: u64) -> u64 {
    if value.is_multiple_of(50) { LARGE } else { value % SMALL }
}

fn elements(array: &FlatArray, rows: std::ops::Range<u64>) -> Vec<u64> {
    let mut bytes = vec![0; (rows.end - rows.start) as usize * 8];
    array.read(rows.start, &mut bytes).unwrap();
    bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn helper_command(role: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "helper", "--nocapture"]).env(ROLE, role).env(FILE, file);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn start(role: &str, file: &Path) -> Child {
    helper_command(role, file).spawn().unwrap()
}

#[test]
fn helper() {
    let (Ok(role), Some(file)) = (std::env::var(ROLE), std::env::var_os(FILE)) else { return };
    let file = Path::new(&file);
    match role.split_once(':').unwrap_or((&role, "0")) {
        ("append", own) => append_many(file, own.parse().unwrap()),
        ("name", from) => name_forever(file, from.parse().unwrap()),
        ("name several", from) => name_several_forever(file, from.parse().unwrap()),
        ("append forever", from) => append_forever(file, from.parse().unwrap()),
        ("compact", from) => compact_forever(file, from.parse().unwrap()),
        ("compact and name", _) => {
            let slices = SliceArray::open(file, Mode::ReadWrite).unwrap();
            compact(&slices);
            slices.name_rows_of_all(&[("late", &[0..2, 0..0])], false).unwrap();
        }
        ("open", mode) => open_with_few_descriptors(file, mode),
        ("damage", seed) => use_damaged(file, seed.parse().unwrap()),
        ("fork", _) => write_in_a_fork(file),
        ("full", _) => full_disk_is_reported(file),
        role => panic!("unknown role {role:?}"),
    }
}

/// Tells the parent that the work numbered `value` is done.
fn acknowledge(value: u64) {
    std::io::stderr().write_all(&value.to_le_bytes()).unwrap();
}

/// Kills a child a while after so many acknowledgements; gives all of them. The pause only varies what the child is
/// doing then: whatever it does last may have happened and not have been acknowledged.
fn kill_after(mut child: Child, count: usize, pause: Duration) -> Vec<u64> {
    let mut said = child.stderr.take().unwrap();
    let mut bytes = vec![0; 8 * count];
    said.read_exact(&mut bytes).unwrap();
    std::thread::sleep(pause);
    child.kill().unwrap();
    child.wait().unwrap();
    said.read_to_end(&mut bytes).unwrap();
    bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn pause(round: u64) -> Duration {
    Duration::from_micros(round * 7919 % 9000)
}

/// Writes rows that say `value` under a name. If this is the first that a process writes, one that was killed may have
/// written it already: LMDB shows readers the last commit of a killed process only after the next writer has come.
fn write_or_find(slices: &SliceArray, name: &str, value: u64, count: u64, is_first: bool) {
    let bytes = rows(value, count);
    match slices.write(&[NamedRows { name, rows: count, bytes: &bytes }], false) {
        Err(error) if is_first && error.kind() == ErrorKind::AlreadyExists => {}
        written => written.unwrap(),
    }
}

fn name_forever(file: &Path, from: u64) {
    let slices = SliceArray::open(file, Mode::ReadWrite).unwrap();
    for value in from.. {
        write_or_find(&slices, &format!("slice {value}"), value, count_of(value), value == from);
        acknowledge(value);
    }
}

#[test]
fn a_writer_killed_while_naming_has_written_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.npy");
    drop(SliceArray::create(&file, &spec()).unwrap());
    let mut next = 0;
    for round in 0..100 {
        let acknowledged = kill_after(start(&format!("name:{next}"), &file), 3, pause(round));
        let slices = SliceArray::open(&file, Mode::Read).unwrap();
        let count = slices.len();
        // The last may have been written and not yet acknowledged.
        let last = *acknowledged.last().unwrap();
        assert!(count == last + 1 || count == last + 2, "{count} after {last}");
        for (name, slice) in slices.names(next, usize::MAX).unwrap() {
            assert_eq!(name, format!("slice {}", slice.position));
            assert_eq!(slice.rows.end - slice.rows.start, count_of(slice.position));
            assert!(
                elements(slices.array(), slice.rows.first).iter().all(|&element| element == slice.position)
            );
        }
        assert!(slices.array().unfinished().unwrap().is_empty());
        next = count;
    }
    assert!(next >= 300, "only {next} slices");
}

/// Of every four slices in two arrays one is deleted, one renamed, and then all are compacted.
fn name_several_forever(folder: &Path, from: u64) {
    let slices = SliceArray::open(folder, Mode::ReadWrite).unwrap();
    for value in from.. {
        let (name, bytes, json) = (value.to_string(), rows(value, count_of(value)), format!("[{value}]"));
        let fewer = count_of(value) / 2;
        let arrays = [
            RowBytes { rows: count_of(value), bytes: &bytes },
            RowBytes { rows: fewer, bytes: &bytes[..fewer as usize * 8] },
        ];
        let new = NewSlice { name: &name, arrays: &arrays, metadata: Some(&json) };
        match slices.write_slices(&[new], false) {
            // As in `write_or_find`.
            Err(error) if value == from && error.kind() == ErrorKind::AlreadyExists => {}
            written => written.unwrap(),
        }
        match value % 4 {
            1 => slices.delete(&[&(value - 1).to_string()]).unwrap(),
            2 => slices.rename(&name, &format!("renamed {value}")).unwrap(),
            3 => compact(&slices),
            _ => {}
        }
        acknowledge(value);
    }
}

/// The rows of a slice in two arrays say its value, and so does what is kept beside its name.
fn expect_whole(slices: &SliceArray, name: &str) -> u64 {
    let value: u64 = name.trim_start_matches("renamed ").parse().unwrap();
    let (slice, mappings) = slices.get_one(name).unwrap();
    for ((rows_of, mapping), count) in
        slice.rows.all().zip(mappings.all()).zip([count_of(value), count_of(value) / 2])
    {
        // SAFETY: nobody writes or cuts this file any more.
        let all = unsafe { mapping.bytes() }.unwrap();
        let found = &all[rows_of.start as usize * 8..rows_of.end as usize * 8];
        assert!(found == rows(value, count), "{name}");
    }
    assert_eq!(slices.metadata(name).unwrap(), Some(format!("[{value}]")));
    value
}

#[test]
fn a_writer_of_several_arrays_that_is_killed_leaves_all_of_a_slice_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("set");
    drop(SliceArray::create_set(&folder, &[("one", spec()), ("other", spec())]).unwrap());
    let reader = SliceArray::open(&folder, Mode::Read).unwrap();
    let is_gone = |value: &u64| value.is_multiple_of(4);
    let (mut next, mut kept) = (0, Vec::new());
    for round in 0..80 {
        let count = 1 + round as usize % 4;
        let child = start(&format!("name several:{next}"), &folder);
        let acknowledged = kill_after(child, count, 2 * pause(round));
        let last = *acknowledged.last().unwrap();
        kept.extend(acknowledged.into_iter().filter(|value| !is_gone(value)));
        // The last may have been written and not yet acknowledged, and if so, not be seen yet.
        let writer = SliceArray::open(&folder, Mode::ReadWrite).unwrap();
        compact(&writer);
        for slices in [&writer, &reader] {
            slices.refresh().unwrap();
            let names: Vec<String> =
                slices.names(0, usize::MAX).unwrap().into_iter().map(|(name, _)| name).collect();
            let mut values: Vec<u64> = names.iter().map(|name| expect_whole(slices, name)).collect();
            values.sort_unstable();
            let end = values.last().copied().unwrap_or(0).max(last);
            assert!(end == last || end == last + 1, "{end} after {last}");
            assert!(kept.iter().all(|value| values.contains(value)), "{kept:?} of {values:?}");
            // The one before the last may be deleted or not.
            assert!(values.iter().all(|value| !is_gone(value) || value + 2 > end), "{values:?}");
            assert_eq!(slices.count_metadata().unwrap(), names.len() as u64);
            next = (end / 4 + 1) * 4;
        }
        for value in (0..next).step_by(4) {
            // What was killed before it was deleted.
            let _ = writer.delete(&[&value.to_string()]);
        }
    }
    assert!(next >= 160, "only {next} slices");
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

/// Compacts once nobody else has the file open for writing: a process that another test is just starting has this
/// one's files until it runs its own program.
fn compact(slices: &SliceArray) {
    let start = Instant::now();
    while let Err(error) = slices.compact() {
        assert!(error.is_retryable() && start.elapsed() < PATIENCE, "{error}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Of every three slices the last two stay.
fn compact_forever(file: &Path, from: u64) {
    let slices = SliceArray::open(file, Mode::ReadWrite).unwrap();
    for value in from.. {
        write_or_find(&slices, &value.to_string(), value, 1 + value % SMALL * 1000, value == from);
        if value % 3 == 2 {
            slices.delete(&[&(value - 2).to_string()]).unwrap();
            compact(&slices);
        }
        acknowledge(value);
    }
}

#[test]
fn a_writer_killed_while_compacting_loses_no_slice() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.npy");
    drop(SliceArray::create(&file, &spec()).unwrap());
    let reader = SliceArray::open(&file, Mode::Read).unwrap();
    let (mut next, mut kept) = (0, Vec::<u64>::new());
    for round in 0..60 {
        // One, two or three: that which is killed is the first to be compacted, or the one before it or behind it.
        let count = 1 + round as usize % 3;
        let acknowledged = kill_after(start(&format!("compact:{next}"), &file), count, 3 * pause(round));
        let last = *acknowledged.last().unwrap();
        reader.refresh().unwrap();
        let names: Vec<String> =
            reader.names(0, usize::MAX).unwrap().into_iter().map(|(name, _)| name).collect();
        kept.extend(acknowledged.iter().filter(|value| **value % 3 > 0));
        assert!(kept.iter().all(|value| names.contains(&value.to_string())), "{kept:?} of {names:?}");
        for name in &names {
            let (slice, mapping) = reader.get_one(name).unwrap();
            let value: u64 = name.parse().unwrap();
            assert_eq!(slice.rows.end - slice.rows.start, 1 + value % SMALL * 1000);
            let (first, count) =
                (slice.rows.start as usize * 8, (slice.rows.end - slice.rows.start) as usize * 8);
            // SAFETY: nobody writes or cuts this file any more.
            let all = unsafe { mapping.bytes() }.unwrap();
            assert!(all[first..first + count] == rows(value, count as u64 / 8));
        }
        // The last may have been written and not yet acknowledged, and if so, not be seen yet.
        let last = names.iter().map(|name| name.parse().unwrap()).max().unwrap_or(0).max(last);
        next = (last / 3 + 1) * 3;
        let writer = SliceArray::open(&file, Mode::ReadWrite).unwrap();
        compact(&writer);
    }
    assert!(kept.len() >= 60, "only {} slices", kept.len());
    let left: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// As if who compacts was killed before the old index was removed: whoever has it open does not find out by that.
#[test]
fn a_new_file_is_not_taken_for_that_of_an_old_index() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("set");
    let slices = SliceArray::create_set(&folder, &[("one", spec()), ("other", spec())]).unwrap();
    for (name, value) in [("gone", 7), ("kept", 8)] {
        let bytes = rows(value, 3);
        let arrays = [RowBytes { rows: 3, bytes: &bytes }, RowBytes { rows: 1, bytes: &bytes[..8] }];
        slices.write_slices(&[NewSlice { name, arrays: &arrays, metadata: None }], false).unwrap();
    }
    slices.delete(&["gone"]).unwrap();
    drop(slices);
    let reader = SliceArray::open(&folder, Mode::Read).unwrap();
    std::fs::hard_link(folder.join("slices.index/data.mdb"), directory.path().join("old")).unwrap();
    assert!(start("compact and name", &folder).wait().unwrap().success());
    let opened = SliceArray::open(&folder, Mode::Read).unwrap();
    reader.arrays().for_each(|(_, array)| assert!(array.refresh().unwrap()));
    let found = |slices: &SliceArray, name: &str| {
        let (slice, _) = slices.get_one(name).unwrap();
        let found = slice.rows.all().zip(slices.arrays());
        found.map(|(rows, (_, array))| elements(array, rows.clone())).collect::<Vec<_>>()
    };
    assert_eq!((reader.len(), opened.len()), (1, 2));
    assert_eq!(found(&reader, "kept"), [vec![8; 3], vec![8]]);
    assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
    for slices in [&reader, &opened] {
        assert_eq!(found(slices, "kept"), [vec![8; 3], vec![8]]);
        assert_eq!(found(slices, "late"), [vec![8; 2], vec![]]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn few_descriptors_are_open() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("set");
    drop(SliceArray::create_set(&folder, &[("one", spec()), ("other", spec())]).unwrap());
    for mode in ["read", "write", "turn to writing"] {
        assert!(start(&format!("open:{mode}"), &folder).wait().unwrap().success(), "{mode}");
    }
}

/// An index has three descriptors, and four for who writes; each array has one, and two for who writes.
fn open_with_few_descriptors(folder: &Path, mode: &str) {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let bytes = rows(1, 1);
    let write = |slices: &SliceArray, name: &str| {
        let arrays = [RowBytes { rows: 1, bytes: &bytes }; 2];
        slices.write_slices(&[NewSlice { name, arrays: &arrays, metadata: Some("1") }], true).unwrap();
    };
    let before = open();
    let reader = (mode != "write").then(|| SliceArray::open(folder, Mode::Read).unwrap());
    if let Some(reader) = &reader {
        let _ = reader.refresh().unwrap();
        let _ = reader.lookup("a").unwrap();
        assert_eq!(open() - before, 3 + 2);
        let another = SliceArray::open(folder, Mode::Read).unwrap();
        assert_eq!((another.len(), open() - before), (reader.len(), 3 + 2 * 2));
    }
    if mode != "read" {
        let writer = SliceArray::open(folder, Mode::ReadWrite).unwrap();
        let mappings = reader.as_ref().map(|reader| reader.array().mapping().unwrap());
        write(&writer, "a");
        assert_eq!(open() - before, 4 + 2 * 2 + 2 * usize::from(reader.is_some()));
        for reader in reader.iter().chain([&writer]) {
            reader.refresh().unwrap();
            assert_eq!(reader.metadata("a").unwrap().as_deref(), Some("1"));
        }
        drop(mappings);
        writer.compact().unwrap();
        assert_eq!(open() - before, 4 + 2 * 2 + 2 * usize::from(reader.is_some()));
    }
}

fn append_forever(file: &Path, from: u64) {
    let array = FlatArray::open(file, Mode::ReadWrite).unwrap();
    for value in from.. {
        let count = if value.is_multiple_of(4) { LARGE } else { 1 + value % SMALL };
        array.append(count, &rows(value, count)).unwrap();
        acknowledge(value);
    }
}

#[test]
fn a_writer_killed_while_appending_leaves_whole_appends() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.npy");
    let array = FlatArray::create(&file, &spec()).unwrap();
    let (mut next, mut cut_off) = (0, 0);
    for round in 0..100 {
        let before = array.rows();
        let acknowledged = kill_after(start(&format!("append forever:{next}"), &file), 1, pause(round));
        array.refresh().unwrap();
        cut_off += u32::from(file.metadata().unwrap().len() > array.header().data_offset + array.rows() * 8);
        assert!(array.unfinished().unwrap().is_empty());
        let mut found: Vec<(u64, u64)> = Vec::new();
        for element in elements(&array, before..array.rows()) {
            match found.last_mut().filter(|(value, _)| *value == element) {
                Some((_, count)) => *count += 1,
                None => found.push((element, 1)),
            }
        }
        for ((value, count), expected) in found.iter().zip(next..) {
            assert_eq!(*value, expected);
            assert_eq!(*count, if value.is_multiple_of(4) { LARGE } else { 1 + value % SMALL });
        }
        assert!(found.len() == acknowledged.len() || found.len() == acknowledged.len() + 1);
        next += found.len() as u64;
        array.truncate(0).unwrap();
    }
    println!("{cut_off} of 100 died with rows behind the end");
}

fn append_many(file: &Path, own: u64) {
    let array = FlatArray::open(file, Mode::ReadWrite).unwrap();
    for turn in 0..60u64 {
        let count = if turn.is_multiple_of(20) { LARGE } else { 1 + turn % SMALL };
        array.append(count, &rows(own << 32 | turn, count)).unwrap();
        acknowledge(own << 32 | turn);
    }
}

#[test]
fn processes_append_without_losing_or_mixing_even_if_some_die() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.npy");
    let array = FlatArray::create(&file, &spec()).unwrap();
    let living: Vec<_> = (1..4).map(|own| start(&format!("append:{own}"), &file)).collect();
    let mut acknowledged: Vec<u64> =
        (10..20).flat_map(|own| kill_after(start(&format!("append:{own}"), &file), 1, pause(own))).collect();
    for child in living {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        acknowledged
            .extend(output.stderr.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())));
    }
    array.refresh().unwrap();
    let unfinished = array.unfinished().unwrap();
    assert!(unfinished.iter().all(|found| !found.alive));
    let all = elements(&array, 0..array.rows());
    let (mut at, mut seen) = (0, Vec::new());
    while at < all.len() {
        if let Some(dead) = unfinished.iter().find(|found| found.rows.start == at as u64) {
            at = dead.rows.end as usize;
            continue;
        }
        let turn = all[at] & 0xffff_ffff;
        let count = if turn.is_multiple_of(20) { LARGE } else { 1 + turn % SMALL } as usize;
        assert!(all[at..at + count].iter().all(|&element| element == all[at]), "mixed at {at}");
        seen.push(all[at]);
        at += count;
    }
    assert!(acknowledged.iter().all(|value| seen.contains(value)));
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() >= 180 && seen.len() <= acknowledged.len() + 10);
}

#[test]
fn a_forked_child_and_its_parent_both_write() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.npy");
    assert!(start("fork", &file).wait().unwrap().success());
    let slices = SliceArray::open(&file, Mode::Read).unwrap();
    assert_eq!(slices.len(), 201);
    for (name, slice) in slices.names(0, usize::MAX).unwrap() {
        let value: u64 = name.parse().unwrap();
        assert_eq!(elements(slices.array(), slice.rows.first), vec![value; (value % 5) as usize]);
    }
}

fn write_in_a_fork(file: &Path) {
    let slices = SliceArray::create(file, &spec()).unwrap();
    let write = |value: u64| {
        let bytes = rows(value, value % 5);
        let named = NamedRows { name: &value.to_string(), rows: value % 5, bytes: &bytes };
        slices.write(&[named], false).unwrap();
        assert_eq!(
            slices.get_one(&value.to_string()).unwrap().0.rows.end
                - slices.get_one(&value.to_string()).unwrap().0.rows.start,
            value % 5
        );
    };
    write(0);
    // SAFETY: no other thread of this process is in the middle of anything.
    let child = unsafe { libc::fork() };
    let own = if child == 0 { 1..=100 } else { 101..=200 };
    own.for_each(write);
    if child == 0 {
        // SAFETY: ends the process and runs nothing else.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: `status` is where the result goes.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
}

/// In a name space of its own, on a file system of 4 MiB.
#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m tmpfs \"$(dirname \"$0\")\" || exit 77; exec \"$@\"";
    let helper = helper_command("full", &directory.path().join("a.npy"));
    let user = ["--user", "--map-root-user", "--mount"];
    // SAFETY: has no preconditions.
    let flags = if unsafe { libc::getuid() } == 0 { &user[2..] } else { &user[..] };
    let output = Command::new("unshare")
        .args(flags)
        .args(["sh", "-c", script])
        .arg(directory.path().join("a.npy"))
        .arg(helper.get_program())
        .args(helper.get_args())
        .envs(helper.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output();
    match output.map(|output| (output.status.code(), output)) {
        Ok((Some(1 | 77), _)) | Err(_) => println!("skipped: no file system can be mounted here"),
        Ok((code, output)) => {
            assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn full_disk_is_reported(file: &Path) {
    let slices = SliceArray::create(file, &spec()).unwrap();
    let write = |value: u64, count: u64| {
        let bytes = rows(value, count);
        slices.write(&[NamedRows { name: &format!("{value:0>200}"), rows: count, bytes: &bytes }], false)
    };
    let mut written = Vec::new();
    for value in 0.. {
        match write(value, 2000) {
            Ok(()) => written.push(value),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                break;
            }
        }
    }
    // Large ones, growth and the names alone hit the end too. None leaves anything, also where the disk has not a
    // page left for the reservation.
    let other = file.with_file_name("filler");
    let mut filler = std::fs::File::create(&other).unwrap();
    for fill in [false, true] {
        while fill && filler.write_all(&[1; 4096]).is_ok() {}
        let beyond = slices.array().rows() + 7;
        for error in [
            write(1 << 40, LARGE * 4).unwrap_err(),
            slices.array().grow(1 << 20).unwrap_err(),
            slices.array().write(beyond, LARGE * 4, &rows(1, LARGE * 4)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            let header = slices.array().header();
            assert_eq!(file.metadata().unwrap().len(), header.data_offset + header.data_len().unwrap());
            assert!(!file.with_file_name("a.npy.pending").exists());
        }
    }
    drop(filler);
    std::fs::remove_file(other).unwrap();
    let mut next = 1_000_000;
    while write(next, 0).is_ok() {
        written.push(next);
        next += 1;
    }
    assert!(written.len() > 50);
    assert_eq!(slices.len(), written.len() as u64);
    assert!(slices.array().unfinished().unwrap().is_empty());
    slices.refresh().unwrap();
    for value in written {
        let (slice, _) = slices.get_one(&format!("{value:0>200}")).unwrap();
        assert!(elements(slices.array(), slice.rows.first).iter().all(|&element| element == value));
    }
    let rows = slices.array().rows();
    assert_eq!(FlatArray::open(file, Mode::Read).unwrap().rows(), rows);
}

const DAMAGES: u64 = 60;

/// Damages the index at random, again and again, and uses it. Errors are as good as any; a signal is not.
fn use_damaged(file: &Path, seed: u64) {
    let data = file.with_file_name("a.npy.index").join("data.mdb");
    let good = std::fs::read(&data).unwrap();
    let mut number = seed;
    let mut random = |below: usize| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize % below
    };
    for _ in 0..DAMAGES {
        let mut bad = good.clone();
        for _ in 0..[1, 3, 10, 50][random(4)] {
            let within = if random(2) == 0 { random(4096) } else { random(64) };
            bad[random(good.len() / 4096) * 4096 + within] = random(256) as u8;
        }
        std::fs::write(&data, bad).unwrap();
        let Ok(slices) = SliceArray::open(file, Mode::ReadWrite) else { continue };
        for name in (0..1000).step_by(7).map(|k| format!("name {k}")) {
            let _ = slices.lookup(&name);
        }
        let _ = slices.names(0, usize::MAX);
        let _ = slices.delete(&["name 5"]);
        let new: Vec<_> = (0..300).map(|k| (format!("new {k}"), 0..0)).collect();
        let _ = slices
            .name_rows(&new.iter().map(|(name, rows)| (&name[..], rows.clone())).collect::<Vec<_>>(), true);
        let _ = slices.compact();
    }
}

#[test]
fn a_damaged_index_ends_no_process() {
    let children: Vec<_> = (1..4)
        .map(|seed| {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("a.npy");
            let slices = SliceArray::create(&file, &spec()).unwrap();
            let many: Vec<String> = (0..1000).map(|k| format!("name {k}")).collect();
            slices.name_rows(&many.iter().map(|name| (&name[..], 0..0)).collect::<Vec<_>>(), false).unwrap();
            slices.delete(&many[..300].iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
            drop(slices);
            (start(&format!("damage:{seed}"), &file), directory)
        })
        .collect();
    for (child, _directory) in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
}
