//! Child processes that do not outlive the tests.

use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take until it answers: long, as the machine may be busy building.
const READY: Duration = Duration::from_secs(90);

/// A server's process; it is killed with its group when this is dropped, and when this process dies.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: kill takes no pointers; the child leads its own group and has not been waited for.
        unsafe { libc::kill(-self.0.id().cast_signed(), libc::SIGKILL) };
        let _ = self.0.wait();
    }
}

/// Starts a program on a port that was just free and waits until it answers HTTP there. What it prints
/// goes to `server.log` in `dir`, and into the error if it does not start.
pub(crate) fn start(dir: &Path, command: impl Fn(u16) -> Result<Command>) -> Result<(Process, SocketAddr)> {
    let mut failure = None;
    for _ in 0..3 {
        let port = free_port()?; // another may take it before the server does: so there are three tries
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = command(port)?;
        let log = dir.join("server.log");
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut process = Process(spawn(command)?);
        match wait_ready(&mut process, address) {
            Ok(()) => return Ok((process, address)),
            Err(error) => {
                drop(process);
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let tail =
                    said.lines().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>();
                failure = Some(error.context(tail.join("\n")));
            }
        }
    }
    Err(failure.context("no try")?)
}

fn wait_ready(process: &mut Process, address: SocketAddr) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < READY {
        if let Some(status) = process.0.try_wait()? {
            bail!("it ended with {status}");
        }
        if request(address, "GET", "/", &[], b"").is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("it did not answer within {READY:?}")
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

type Order = (Command, Sender<io::Result<Child>>);

/// Children are killed when the *thread* that started them ends, so one that never ends starts them all.
fn spawn(mut command: Command) -> Result<Child> {
    static ORDERS: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    command.process_group(0);
    // SAFETY: prctl is async-signal-safe and takes no pointers here.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let program = command.get_program().to_owned();
    let orders = ORDERS.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in orders {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (reply, child) = channel();
    orders.lock().expect("nothing panics").send((command, reply)).expect("the thread never ends");
    child.recv()?.with_context(|| format!("starting {}", program.display()))
}

/// Finds a program: below `BIGARRAYS_TESTBED`, else in the workspace's Python and this crate's Node environment, then
/// on the PATH. `relative` is what stands below the directory: "moto_server", or a path within it.
pub(crate) fn find(relative: &str) -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = match env::var_os("BIGARRAYS_TESTBED") {
        Some(dir) => vec![dir.into()],
        None => vec![here.join("../../.venv/bin"), here.join("node_modules/.bin")],
    };
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    places.push("/usr/sbin".into()); // where Debian puts servers, which not every PATH names
    let found = places.iter().map(|place| place.join(relative)).find(|path| path.is_file());
    found.with_context(|| format!("{relative} is not installed: run scripts/setup --peers, or name its directory in BIGARRAYS_TESTBED"))
}

/// One request without a library: status and body of the answer.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head =
        format!("{method} {target} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("no HTTP answer")?;
    let status = answer.get(9..12).and_then(|s| std::str::from_utf8(s).ok()).and_then(|s| s.parse().ok());
    Ok((status.context("no HTTP status")?, answer.split_off(end + 4)))
}

/// As [`request`], and any status but 2xx is an error.
pub(crate) fn must(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<()> {
    let (status, answer) = request(address, method, target, headers, body)?;
    ensure!(status / 100 == 2, "{method} {target}: {status} {}", String::from_utf8_lossy(&answer));
    Ok(())
}
