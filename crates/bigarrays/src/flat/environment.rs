//! The files of an index, and how LMDB opens them.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use heed::types::Bytes;
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn};
use rustix::fs::{CWD, RenameFlags};

use super::inspect::inspect;
use super::ours::{DATA, LOCK};
use super::record::damaged;
use super::writers::{Writers, without_writers};
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::{io_error, temporary_beside};

/// Address space for the index; the file takes only what it needs. Less where that is not to be had.
const MAP_SIZES: [u64; 3] = [1 << 36, 1 << 32, 1 << 29];
/// As much of the address space as the index has in the file, so many times, so that it may grow.
const MAP_GROWTH: u64 = 8;
/// A file system with less room than this is full.
const FULL: u64 = 1 << 20;
/// Threads, of all processes, that may read at once.
const MOST_READERS: u32 = 2046;
/// How often an environment that is being closed is waited for.
const ATTEMPTS: usize = 1200;

/// The fact that says which snapshots are of the index that this one has taken the place of.
pub(super) const BEFORE: &[u8] = b"before";

/// A table of bytes.
pub(super) type Table = heed::Database<'static, Bytes, Bytes>;

/// The tables of an index.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// Name → position, rows in each array, generation.
    pub(super) names: Table,
    /// Position, big-endian → rows in each array, generation, name.
    pub(super) order: Table,
    /// What is true of all.
    pub(super) facts: Table,
    /// Name → metadata; there is no such table before a name has any.
    pub(super) meta: Option<Table>,
    /// The newest snapshot of the index that this one has taken the place of, and one more.
    pub(super) before: usize,
}

impl Tables {
    /// The number of a snapshot. Later ones have greater numbers, also in an index that took the place of another.
    pub(super) fn snapshot(&self, txn: &RoTxn<'_>) -> usize {
        self.before.wrapping_add(txn.id())
    }
}

/// What is wanted of the table of metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Metadata {
    /// Nothing.
    Unused,
    /// The table, if there is one.
    Used,
    /// The table; it is made if there is none. Only for who may write, and while nobody else does.
    Made,
}

pub(super) struct Opened {
    pub(super) env: Env,
    /// Those that every index has.
    tables: Tables,
    meta: OnceLock<Table>,
    /// What it was opened for, whether or not it can be written.
    pub(super) purpose: Purpose,
    own: Own,
    /// The greatest length that the file was seen to have: LMDB never makes it shorter.
    longest: AtomicU64,
}

/// The file of the index, once more; it is read and written by LMDB alone.
enum Own {
    /// Opened for reading, or where it cannot be written.
    Reads(File),
    /// And what keeps those apart who change it.
    Writes(Writers),
}

impl Own {
    fn file(&self) -> &File {
        match self {
            Self::Reads(file) => file,
            Self::Writes(writers) => writers.file(),
        }
    }
}

/// What an index is opened for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Purpose {
    Reading,
    /// And reading. Where it may only be read, it is opened for that.
    Writing,
}

impl Opened {
    /// The tables, for a transaction that begins afterwards.
    pub(super) fn tables(&self, metadata: Metadata) -> heed::Result<Tables> {
        let mut meta = self.meta.get().copied();
        if meta.is_none() && metadata != Metadata::Unused {
            meta = existing_table(&self.env, META)?;
        }
        if meta.is_none() && metadata == Metadata::Made {
            meta = Some(new_table(&self.env, META)?);
        }
        if let Some(table) = meta {
            // Another thread that was quicker has the same one.
            let _ = self.meta.set(table);
        }
        Ok(Tables { meta, ..self.tables })
    }

    /// What keeps those apart who change the index.
    pub(super) fn writers(&self, folder: &Path) -> Result<&Writers> {
        match &self.own {
            Own::Writes(writers) => Ok(writers),
            // Whoever may write it by now has to open it again.
            Own::Reads(_) => Err(Writers::open(&folder.join(DATA)).err().unwrap_or_else(|| {
                io_error(io::ErrorKind::PermissionDenied.into(), "using the index", folder)
            })),
        }
    }

    /// Whether another index has been put in the place of this one.
    pub(super) fn is_replaced(&self, folder: &Path) -> bool {
        let own = self.own.file().metadata().map(|own| identity(&own)).ok();
        std::fs::metadata(folder.join(DATA)).is_ok_and(|found| Some(identity(&found)) != own)
    }

    /// The newest snapshot of the index that this one has taken the place of, and one more.
    pub(super) fn before(&self) -> usize {
        self.tables.before
    }

    /// The newest snapshot.
    pub(super) fn newest(&self) -> usize {
        self.tables.before + self.env.info().last_txn_id
    }

    /// An error if the file of the index is shorter than it was, or removed: to read pages that are gone
    /// would end the process.
    pub(super) fn expect_not_cut(&self, folder: &Path) -> Result<()> {
        // In this order, or else another thread could have seen the file grow in between.
        let longest = self.longest.load(Ordering::Acquire);
        let stat = rustix::fs::fstat(self.own.file());
        let stat = stat.map_err(|error| io_error(error.into(), "using the index", folder))?;
        let actual = stat.st_size as u64;
        if actual > longest {
            self.longest.fetch_max(actual, Ordering::AcqRel);
        }
        if actual >= longest && stat.st_nlink > 0 {
            return Ok(());
        }
        if stat.st_nlink == 0 {
            return Err(removed(folder));
        }
        let reason = format!("the index has {actual} bytes where it had {longest}; it was cut short");
        Err(Error::corrupt(reason).during("using the index").at(folder.display().to_string()))
    }

    /// Has the file as long as its pages are many. LMDB writes no page that a change took and gave back,
    /// and such a file could not be told from one that was cut short.
    pub(super) fn complete(&self) -> heed::Result<()> {
        let missing = || {
            let wanted = needed(&self.env);
            Ok::<_, heed::Error>((self.own.file().metadata()?.len() < wanted).then_some(wanted))
        };
        if missing()?.is_none() {
            return Ok(());
        }
        // Nobody else makes it longer meanwhile.
        let _lock = self.env.write_txn()?;
        missing()?.map_or(Ok(()), |wanted| Ok(self.own.file().set_len(wanted)?))
    }
}

/// Bytes of all pages that the index has.
fn needed(env: &Env) -> u64 {
    let pages = env.info().last_page_number as u64 + 1;
    pages.saturating_mul(u64::from(env.unnamed_database_stat().page_size))
}

/// Makes an index without names, in which these facts are true, which nobody meets before it is whole.
pub(super) fn make(folder: &Path, facts: &[(&[u8], &[u8])]) -> Result<()> {
    let failed = |error| io_error(error, "creating", folder);
    let draft = temporary_beside(folder)?;
    std::fs::create_dir(&draft).map_err(failed)?;
    let made = environment(&draft, EnvFlags::NO_META_SYNC).and_then(|env| {
        new_tables(&env, facts)?;
        share(&draft, folder);
        env.prepare_for_closing().wait();
        Ok(())
    });
    let made = made.map_err(|error| lmdb_error(error, folder)).and_then(|()| {
        match std::fs::rename(&draft, folder) {
            // Another has been quicker.
            Err(_) if folder.join("data.mdb").exists() => Ok(()),
            renamed => renamed.map_err(failed),
        }
    });
    // There is none left if it has its name.
    let _ = std::fs::remove_dir_all(&draft);
    made
}

/// An index that is being filled.
pub(super) type Filling<'a, 't> = (&'a mut RwTxn<'t>, &'a Tables);

/// Makes an index in the folder `draft`, which is there and empty, on stable storage, of what `work` puts into it; it is to
/// take the place of that in `folder`, of which there are snapshots below `before`. It has a table of metadata if asked for.
pub(super) fn fill<T>(
    draft: &Path,
    folder: &Path,
    (before, has_metadata): (usize, bool),
    work: impl FnOnce(Filling<'_, '_>) -> Result<T>,
) -> Result<T> {
    let failed = |error| lmdb_error(error, folder);
    // Nobody needs it before it is whole.
    let env = environment(draft, EnvFlags::NO_SYNC).map_err(failed)?;
    let filled = fill_tables(&env, before, has_metadata, &failed, work);
    let needed = needed(&env);
    env.prepare_for_closing().wait();
    let filled = filled?;
    share(draft, folder);
    let synced = File::options().write(true).open(draft.join(DATA)).and_then(|data| {
        if data.metadata()?.len() < needed {
            data.set_len(needed)?;
        }
        data.sync_all()?;
        // Its locks begin with who opens it at its place; whoever that is, the file is there for all who may open it.
        File::options().write(true).open(draft.join(LOCK))?.set_len(0)?;
        File::open(draft)?.sync_all()
    });
    synced.map(|()| filled).map_err(|error| io_error(error, "creating", draft))
}

fn fill_tables<T>(
    env: &Env,
    before: usize,
    has_metadata: bool,
    failed: &impl Fn(heed::Error) -> Error,
    work: impl FnOnce(Filling<'_, '_>) -> Result<T>,
) -> Result<T> {
    new_tables(env, &[(BEFORE, &(before as u64).to_le_bytes())]).map_err(failed)?;
    let mut tables = existing_tables(env).map_err(failed)?.ok_or_else(damaged)?;
    if has_metadata {
        tables.meta = Some(new_table(env, META).map_err(failed)?);
    }
    tables.before = before;
    let mut txn = env.write_txn().map_err(failed)?;
    let done = work((&mut txn, &tables))?;
    txn.commit().map_err(failed)?;
    env.force_sync().map_err(failed)?;
    Ok(done)
}

/// Whether folders can be exchanged where `draft` is to be; if so, that folder is made.
pub(super) fn can_exchange(draft: &Path) -> Result<bool> {
    let failed = |error| io_error(error, "creating", draft);
    let other = temporary_beside(draft)?;
    std::fs::create_dir(draft).and_then(|()| std::fs::create_dir(&other)).map_err(failed)?;
    let can = exchange(draft, &other).is_ok();
    std::fs::remove_dir(&other).map_err(failed)?;
    Ok(can)
}

/// Has two folders change places, at once.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?;
        let folder = other.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all())
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        let _ = (one, other);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Lets the files in `draft`, which is or becomes the index `folder`, be read and written by those who may
/// read and write the array, or the folder of several. Who does not own them leaves them as they are.
pub(super) fn share(draft: &Path, folder: &Path) {
    let array = std::fs::metadata(folder.with_extension(""));
    let Ok(array) = array.or_else(|_| std::fs::metadata(folder.parent().unwrap_or(folder))) else { return };
    let mode = array.permissions().mode() & 0o666;
    for file in ["data.mdb", "lock.mdb"].map(|name| draft.join(name)) {
        if std::fs::symlink_metadata(&file)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o777 != mode)
        {
            let _ = std::fs::set_permissions(&file, Permissions::from_mode(mode));
        }
    }
}

/// Opens the index in `folder`.
pub(super) fn open_environment(folder: &Path, purpose: Purpose) -> Result<Opened> {
    let failed = |error| lmdb_error(error, folder);
    let found = || std::fs::metadata(folder).map_err(|error| io_error(error, "opening", folder));
    for _ in 0..ATTEMPTS {
        let before = identity(&found()?);
        expect_whole(folder)?;
        let (env, own) = open_files(folder, purpose)?;
        // LMDB opens one file after the other: they are of one index if none was put in its place meanwhile.
        if identity(&found()?) != before {
            env.prepare_for_closing().wait();
            continue;
        }
        let mut tables = existing_tables(&env)
            .map_err(failed)?
            .ok_or_else(|| Error::metadata("this is no index of names"))?;
        let txn = env.read_txn().map_err(failed)?;
        tables.before = number(tables.facts.get(&txn, BEFORE).map_err(failed)?)? as usize;
        drop(txn);
        let longest = own.file().metadata().map_err(|error| io_error(error, "opening", folder))?.len().into();
        return Ok(Opened { env, tables, meta: OnceLock::new(), purpose, own, longest });
    }
    let reason = "the index is replaced again and again; try again";
    Err(Error::new(ErrorKind::Storage, reason).during("opening").at(folder.display().to_string()).retryable())
}

/// The files of the index in `folder`, for what the system allows.
fn open_files(folder: &Path, purpose: Purpose) -> Result<(Env, Own)> {
    let failed = |error| lmdb_error(error, folder);
    // Whom the system keeps from writing may still register as a reader; or else reads unregistered,
    // which is safe while nobody writes.
    let ways = [EnvFlags::NO_META_SYNC, EnvFlags::READ_ONLY, EnvFlags::READ_ONLY | EnvFlags::NO_LOCK];
    let mut opened = Err(heed::Error::Io(io::ErrorKind::PermissionDenied.into()));
    for flags in &ways[usize::from(purpose == Purpose::Reading)..] {
        opened = environment(folder, *flags).map(|env| (env, *flags));
        if !matches!(&opened, Err(heed::Error::Io(error)) if is_refusal(error)) {
            break;
        }
    }
    let (env, flags) = opened.map_err(failed)?;
    if !flags.contains(EnvFlags::NO_LOCK) {
        env.clear_stale_readers().map_err(failed)?;
    }
    let own = match flags.contains(EnvFlags::READ_ONLY) {
        true => Own::Reads(env.try_clone_inner_file().map_err(failed)?),
        false => Own::Writes(Writers::open(&folder.join(DATA))?),
    };
    Ok((env, own))
}

/// Device and inode.
fn identity(file: &std::fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn environment(folder: &Path, flags: EnvFlags) -> heed::Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.max_dbs(4).max_readers(MOST_READERS);
    // SAFETY: without syncing the newest meta page a power failure undoes the last change, and nothing
    // else. Only who may write nothing, not even the locks, opens an index without locks.
    unsafe { options.flags(flags | EnvFlags::NO_READ_AHEAD) };
    let mut smallest = Err(heed::Error::Mdb(MdbError::MapFull));
    let used = std::fs::metadata(folder.join("data.mdb")).map_or(0, |data| data.len());
    let wanted = used.saturating_mul(MAP_GROWTH).max(1).next_multiple_of(MAP_SIZES[0]);
    let sizes = std::iter::once(wanted).chain(MAP_SIZES).filter(|&size| size <= wanted.max(MAP_SIZES[0]));
    for size in sizes.filter_map(|size| usize::try_from(size).ok()) {
        options.map_size(size);
        for _ in 0..ATTEMPTS {
            // SAFETY: nobody changes the files but through LMDB and its locks.
            smallest = unsafe { options.open(folder) };
            if !matches!(smallest, Err(heed::Error::EnvAlreadyOpened)) {
                break;
            }
            // Another thread drops the last of it just now, or still reads what another has taken the place of.
            if let Some(closing) = heed::env_closing_event(folder) {
                closing.wait_timeout(std::time::Duration::from_millis(50));
            }
        }
        if !matches!(&smallest, Err(heed::Error::Io(error)) if error.kind() == io::ErrorKind::OutOfMemory) {
            break;
        }
    }
    smallest
}

/// The name of the table of metadata.
const META: &str = "meta";

fn new_tables(env: &Env, known: &[(&[u8], &[u8])]) -> heed::Result<()> {
    let made = env.create_databases_and_commit(env.write_txn()?, |open, txn| {
        let names = open.create_database::<Bytes, Bytes>(txn, Some("names"))?;
        let order = open.create_database::<Bytes, Bytes>(txn, Some("order"))?;
        let facts = open.create_database::<Bytes, Bytes>(txn, Some("facts"))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((names, order, facts)))
    })?;
    let Some((_, _, facts)) = made.commit() else { return Ok(()) };
    let mut txn = env.write_txn()?;
    known.iter().try_for_each(|(fact, value)| facts.put(&mut txn, fact, value))?;
    txn.commit()
}

fn existing_tables(env: &Env) -> heed::Result<Option<Tables>> {
    let tables = env.open_databases_and_commit(env.read_txn()?, |open, txn| {
        let names = open.open_database::<Bytes, Bytes>(txn, Some("names"))?;
        let order = open.open_database::<Bytes, Bytes>(txn, Some("order"))?;
        let facts = open.open_database::<Bytes, Bytes>(txn, Some("facts"))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((names, order, facts)))
    })?;
    let whole = |(names, order, facts): (Option<Table>, Option<Table>, Option<Table>)| {
        Some(Tables { names: names?, order: order?, facts: facts?, meta: None, before: 0 })
    };
    Ok(tables.commit().and_then(whole))
}

/// The table of that name, if there is one by now.
fn existing_table(env: &Env, name: &str) -> heed::Result<Option<Table>> {
    let found = env.open_databases_and_commit(env.read_txn()?, |open, txn| {
        let table = open.open_database::<Bytes, Bytes>(txn, Some(name))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(table))
    })?;
    Ok(found.commit().flatten())
}

fn new_table(env: &Env, name: &str) -> heed::Result<Table> {
    let made = env.create_databases_and_commit(env.write_txn()?, |create, txn| {
        let table = create.create_database::<Bytes, Bytes>(txn, Some(name))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(table))
    })?;
    made.commit().ok_or(heed::Error::Mdb(MdbError::BadDbi))
}

/// An error if LMDB would come to grief over the file. What looks wrong may be a change of which only some was
/// seen, and is looked at again while nobody changes anything.
fn expect_whole(folder: &Path) -> Result<()> {
    let failed = |error| io_error(error, "opening", folder);
    let data = folder.join(DATA);
    let file = File::open(&data).map_err(failed)?;
    let is_damage = |error: &Error| error.kind() == ErrorKind::CorruptData;
    let looked = match inspect(&file) {
        Err(error) if is_damage(&error) => {
            without_writers(&data, folder, || inspect(&file)).unwrap_or(Err(error))
        }
        looked => looked,
    };
    looked.map_err(|error| {
        if !is_damage(&error) {
            return error.during("opening").at(folder.display().to_string());
        }
        let reason = format!(
            "the index of names is damaged: {error}; take it from a backup, or remove the folder to do without its \
             names: the rows are in the array's file"
        );
        Error::corrupt(reason).during("opening").at(folder.display().to_string())
    })
}

/// The number that a fact says; 0 if it is not there.
pub(super) fn number(fact: Option<&[u8]>) -> Result<u64> {
    fact.map_or(Ok(0), |bytes| Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| damaged())?)))
}

#[cold]
pub(super) fn removed(folder: &Path) -> Error {
    let reason = "the index was removed; close every array that uses it and open them again";
    Error::corrupt(reason).during("using the index").at(folder.display().to_string())
}

#[cold]
pub(super) fn lmdb_error(error: heed::Error, folder: &Path) -> Error {
    let kind = match error {
        heed::Error::Io(error) => return system_error(error, folder),
        heed::Error::Mdb(MdbError::Other(code)) => {
            return system_error(io::Error::from_raw_os_error(code), folder);
        }
        heed::Error::Mdb(MdbError::MapFull) => ErrorKind::StorageFull,
        heed::Error::Mdb(
            MdbError::Invalid
            | MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::VersionMismatch
            | MdbError::Incompatible,
        ) => ErrorKind::CorruptData,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, error.to_string())
        .caused_by(error)
        .during("using the index")
        .at(folder.display().to_string())
}

#[cold]
fn system_error(error: io::Error, folder: &Path) -> Error {
    // What LMDB says of a write that ends early.
    let is_short = error.raw_os_error() == Some(libc::EIO);
    let room = || rustix::fs::statvfs(folder).map(|system| system.f_bavail.saturating_mul(system.f_frsize));
    if is_short && room().is_ok_and(|room| room < FULL) {
        return Error::new(ErrorKind::StorageFull, "the file system is full")
            .caused_by(error)
            .during("using the index")
            .at(folder.display().to_string());
    }
    if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EAGAIN)) {
        let reason = "no more indexes can be open at once in this process; close arrays or use fewer";
        return Error::new(ErrorKind::Storage, reason)
            .caused_by(error)
            .during("opening")
            .at(folder.display().to_string());
    }
    io_error(error, "using the index", folder)
}
