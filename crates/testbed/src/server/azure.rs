//! Azurite, Azure's own emulator: it checks signatures.

use super::{Access, BUCKET, Command, Path, Result, SocketAddr, Started, process};

/// The emulator's account and key, which are the same everywhere.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// A shared access signature of that key for everything, until 2099: it makes the container without code
/// for signatures.
const SIGNATURE: &str = "sv=2019-12-12&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp\
    &sig=0inStVod1SiNNw%2FCJ4fRrpJIdRZAadbisT7bZCD4KQs%3D";

pub(super) fn azurite(dir: &Path) -> Result<Started> {
    let (process, address) = process::start(dir, |port| {
        let mut command = Command::new(process::find("azurite-blob")?);
        command.current_dir(dir).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.args(["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
        Ok(command)
    })?;
    let target = format!("/{ACCOUNT}/{BUCKET}?restype=container&{SIGNATURE}");
    process::must(address, "PUT", &target, &[("x-ms-version", "2019-12-12")], b"")?;
    Ok(Started { process: Some(process), address, _serving: None, access: access(address) })
}

fn access(address: SocketAddr) -> Access {
    let endpoint = format!("http://{address}/{ACCOUNT}");
    let options = [
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_STORAGE_ACCOUNT_KEY", KEY),
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
        ("AZURE_ALLOW_HTTP", "true"),
    ];
    Access { endpoint: endpoint.clone(), ..Access::at(format!("az://{BUCKET}"), address, &options) }
}
