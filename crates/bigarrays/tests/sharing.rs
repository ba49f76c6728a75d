//! Jobs that several processes share: what the others do is found, and the one who leads does nothing of it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bigarrays::compute::{LabelTable, Unlisted};
use bigarrays::jobs::{
    ComponentsOptions, LabelOptions, Numbering, Sharing, components, contacts, label_table, relabel, renumber,
};
use bigarrays::ndarray::ArrayD;
use bigarrays::{Array, CreateSpec, DataType, Error, ErrorKind, OpenOptions, Result};

/// Few enough for several blocks.
const MEMORY: u64 = 600_000;

fn create(name: &str, dtype: DataType) -> Array {
    let url = format!("memory://sharing/{name}");
    drop(bigarrays::format::remove(&url, None, &Default::default()));
    let mut spec = CreateSpec::new(dtype, "-7:50,3:40,0:33".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![8, 8, 8]);
    OpenOptions::new().format("precomputed").create(&url, &spec).unwrap()
}

fn labels(name: &str) -> Array {
    let array = create(name, DataType::U32);
    let shape: Vec<usize> = array.shape().iter().map(|&length| length as usize).collect();
    let values = ArrayD::from_shape_fn(shape, |at| {
        let seed = (at[0] / 5 * 31 + at[1] / 4 * 17 + at[2] / 6 * 7) as u32;
        seed.wrapping_mul(2_654_435_761) >> 29
    });
    array.write(array.domain().origin(), values.view()).unwrap();
    array
}

/// The passes that were shared out, and the shares of each.
type Passes = Arc<Mutex<Vec<(u64, u64)>>>;

/// What one who leads uses, given what does a share; and which passes were shared out.
fn leading(
    folder: &std::path::Path,
    share: impl Fn(&Sharing) -> Result<()> + Send + Sync + 'static,
) -> (Sharing, Passes) {
    let (place, passes) = (folder.to_owned(), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&passes);
    let share_out = move |pass: u64, most: u64| {
        let shares = most.min(5);
        noted.lock().unwrap().push((pass, shares));
        (0..shares).try_for_each(|number| share(&Sharing::share(&place, pass, number, shares)))
    };
    (Sharing::leading(folder, MEMORY, Box::new(share_out)), passes)
}

fn read(array: &Array) -> ArrayD<u64> {
    array.read::<u64>(array.domain()).unwrap().into_data()
}

#[test]
fn components_are_found_and_written_by_others() {
    let (source, folder) = (labels("components"), tempfile::tempdir().unwrap());
    let [one, other] = ["one", "other"].map(|name| create(name, DataType::U64));
    let options = ComponentsOptions { statistics: true, memory: MEMORY, ..Default::default() };
    let due = components(&source, &one, &options).unwrap();
    let by = (source.clone(), other.clone());
    let (sharing, passes) = leading(folder.path(), move |sharing| {
        let found = components(&by.0, &by.1, &ComponentsOptions { sharing: Some(sharing), ..options })?;
        assert_eq!((found.count, found.voxels), (0, None));
        Ok(())
    });
    let told = AtomicU64::new(0);
    let progress = |progress: bigarrays::Progress| {
        told.fetch_max(progress.done, Ordering::Relaxed);
    };
    let led = ComponentsOptions { sharing: Some(&sharing), progress: Some(&progress), ..options };
    let found = components(&source, &other, &led).unwrap();
    assert_eq!(read(&other), read(&one));
    assert_eq!((found.count, &found.voxels, &found.boxes), (due.count, &due.voxels, &due.boxes));
    assert_eq!(*passes.lock().unwrap(), [(0, 5), (1, 5)]);
    // All blocks of the second pass were as others had left them.
    assert!(found.found > 5 && due.found == 0, "{}", found.found);
    assert!(told.load(Ordering::Relaxed) > 0);
}

#[test]
fn labels_are_read_and_written_by_others() {
    let source = labels("labels");
    let options = LabelOptions { memory: MEMORY, ..Default::default() };
    let folder = tempfile::tempdir().unwrap();
    let by = source.clone();
    let (sharing, _) = leading(&folder.path().join("table"), move |sharing| {
        label_table(&by, &LabelOptions { sharing: Some(sharing), ..options }).map(drop)
    });
    let found = label_table(&source, &LabelOptions { sharing: Some(&sharing), ..options }).unwrap();
    assert_eq!(found, label_table(&source, &options).unwrap());
    assert_eq!(found.labels.len(), 7);
    let by = source.clone();
    let (sharing, _) = leading(&folder.path().join("contacts"), move |sharing| {
        contacts(&by, &LabelOptions { sharing: Some(sharing), ..options }).map(drop)
    });
    let found = contacts(&source, &LabelOptions { sharing: Some(&sharing), ..options }).unwrap();
    assert_eq!(found, contacts(&source, &options).unwrap());

    let [one, other] = ["renumbered", "renumbered-too"].map(|name| create(name, DataType::U64));
    let due = renumber(&source, &one, Numbering::First, &options).unwrap();
    let by = (source.clone(), other.clone());
    let (sharing, passes) = leading(&folder.path().join("renumber"), move |sharing| {
        renumber(&by.0, &by.1, Numbering::First, &LabelOptions { sharing: Some(sharing), ..options })
            .map(drop)
    });
    let led = LabelOptions { sharing: Some(&sharing), ..options };
    let found = renumber(&source, &other, Numbering::First, &led).unwrap();
    assert!(found.iter().eq(due.iter()));
    assert_eq!((read(&other), passes.lock().unwrap().len()), (read(&one), 2));

    let table = LabelTable::new([(1, 1 << 40), (3, 5)]).unwrap();
    let other = create("relabelled", DataType::U64);
    let by = (source.clone(), other.clone());
    let (sharing, _) = leading(&folder.path().join("relabel"), move |sharing| {
        // They are not given the table.
        let options = LabelOptions { sharing: Some(sharing), ..options };
        relabel(&by.0, &by.1, &LabelTable::default(), Unlisted::Value(9), &options)
    });
    let led = LabelOptions { sharing: Some(&sharing), ..options };
    relabel(&source, &other, &table, Unlisted::Value(9), &led).unwrap();
    let due = source.read::<u32>(source.domain()).unwrap().into_data().mapv(|label| match label {
        0 => 0,
        1 => 1 << 40,
        3 => 5,
        _ => 9,
    });
    assert_eq!(read(&other), due);
}

#[test]
fn what_others_have_not_done_is_done_and_their_errors_are_passed_on() {
    let (source, folder) = (labels("lazy"), tempfile::tempdir().unwrap());
    let options = LabelOptions { memory: MEMORY, ..Default::default() };
    // Nobody does anything.
    let sharing = Sharing::leading(folder.path(), 0, Box::new(|_, _| Ok(())));
    let found = label_table(&source, &LabelOptions { sharing: Some(&sharing), ..options }).unwrap();
    assert_eq!(found, label_table(&source, &options).unwrap());
    let failing = Box::new(|_, _| Err(Error::new(ErrorKind::StorageFull, "no room")));
    let sharing = Sharing::leading(folder.path().join("b"), 0, failing);
    let error = label_table(&source, &LabelOptions { sharing: Some(&sharing), ..options }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    // A share of what nobody leads.
    let sharing = Sharing::share(folder.path().join("c"), 0, 0, 2);
    let error = label_table(&source, &LabelOptions { sharing: Some(&sharing), ..options }).unwrap_err();
    assert!(error.to_string().contains("all of them see"), "{error}");
}
