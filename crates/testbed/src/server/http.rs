//! File servers: nginx, which knows ranges and encodings, and Python's own, which knows neither.

use super::{Access, Command, Path, Process, Result, SocketAddr, Started, process};

/// A file `k.gz`, `k.br` or `k.zstd` is served for `k` with its Content-Encoding, as local layers store it.
/// Below `/.forbidden/`, `/.private/` (user `testbed`, password `secret`) and `/.moved/` (a redirect to
/// the same path without it) the same directory answers as servers with rights and redirects do.
fn configuration(port: u16, dir: &Path, own: &Path) -> String {
    format!(
        r#"daemon off; master_process off; pid "{own}/pid"; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_timeout 75; keepalive_requests 1000000000;
  client_body_temp_path "{own}/body"; proxy_temp_path "{own}/proxy"; fastcgi_temp_path "{own}/fastcgi";
  uwsgi_temp_path "{own}/uwsgi"; scgi_temp_path "{own}/scgi";
  default_type application/octet-stream; types {{ application/json json; text/plain txt; }}
  map "$request_uri $uri" $encoding {{ default ""; "~\.(gz|br|zstd) " ""; "~\.gz$" gzip; "~\.br$" br; "~\.zstd$" zstd; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024; root "{dir}"; merge_slashes off;
    add_header Content-Encoding $encoding; add_header Access-Control-Allow-Origin *;
    location / {{ try_files $uri $uri.gz $uri.br $uri.zstd =404; }}
    location /.forbidden/ {{ return 403; }}
    location /.moved/ {{ rewrite ^/.moved/(.*)$ /$1 redirect; }}
    location /.private/ {{
      auth_basic testbed; auth_basic_user_file "{own}/users";
      rewrite ^/.private/(.*)$ /$1 break; try_files $uri $uri.gz $uri.br $uri.zstd =404;
    }}
  }}
}}
"#,
        own = own.display(),
        dir = dir.display(),
    )
}

pub(super) fn nginx(own: &Path, dir: &Path) -> Result<Started> {
    let dir = std::path::absolute(dir)?;
    if dir.to_string_lossy().contains(['"', '$']) {
        anyhow::bail!("nginx cannot be given {}", dir.display());
    }
    std::fs::write(own.join("users"), "testbed:{PLAIN}secret\n")?;
    let (process, address) = process::start(own, |port| {
        let file = own.join("nginx.conf");
        std::fs::write(&file, configuration(port, &dir, own))?;
        let mut command = Command::new(process::find("nginx")?);
        command.arg("-p").arg(own).args(["-e", "stderr", "-c"]).arg(file);
        Ok(command)
    })?;
    Ok(started(process, address))
}

pub(super) fn plain(own: &Path, dir: &Path) -> Result<Started> {
    let (process, address) = process::start(own, |port| {
        let mut command = Command::new(process::find("python3")?);
        command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"]);
        command.arg(dir).arg(port.to_string());
        Ok(command)
    })?;
    Ok(started(process, address))
}

fn started(process: Process, address: SocketAddr) -> Started {
    let access = Access::at(format!("http://{address}"), address, &[]);
    Started { process: Some(process), _serving: None, address, access }
}
