//! S3 servers.

use super::{Access, BUCKET, Command, Path, Process, Result, SocketAddr, Started, process};

pub(super) const KEY: &str = "testbed-key";
pub(super) const SECRET: &str = "testbed-secret";

/// What an S3 client needs, as the environment spells it.
pub(super) fn access(address: SocketAddr) -> Access {
    let endpoint = format!("http://{address}");
    let options = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    Access::at(format!("s3://{BUCKET}"), address, &options)
}

fn with_bucket((process, address): (Process, SocketAddr)) -> Result<Started> {
    process::must(address, "PUT", &format!("/{BUCKET}"), &[], b"")?;
    Ok(Started { process: Some(process), _serving: None, address, access: access(address) })
}

/// moto answers in several threads, and looks whether a condition holds before it changes anything: of two writers who meet
/// there, both may win. It answers one after the other here.
const ONE_BY_ONE: &str = "
import sys, threading
import moto.server as server
turn, call = threading.Lock(), server.DomainDispatcherApplication.__call__
def one_by_one(self, environ, start_response):
    with turn:
        return call(self, environ, start_response)
server.DomainDispatcherApplication.__call__ = one_by_one
server.main(sys.argv[1:])
";

pub(super) fn moto(dir: &Path) -> Result<Started> {
    with_bucket(process::start(dir, |port| {
        // The Python that has it.
        let mut command = Command::new(process::find("moto_server")?.with_file_name("python3"));
        command.args(["-c", ONE_BY_ONE, "-H", "127.0.0.1", "-p"]).arg(port.to_string());
        Ok(command)
    })?)
}

pub(super) fn ministack(dir: &Path) -> Result<Started> {
    with_bucket(process::start(dir, |port| {
        let mut command = Command::new(process::find("ministack")?);
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).current_dir(dir);
        Ok(command)
    })?)
}
