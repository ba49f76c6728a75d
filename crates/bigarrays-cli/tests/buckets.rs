//! Arrays in a bucket, on a real server on loopback; and listing, counting and removing anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::process::{Command, Stdio};

use common::{Bench, PATIENCE, as_bytes, npy, output, volume, wait};
use testbed::{Access, Faults, Proxy, Server};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn with_file() -> Bench {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[6, 8, 10], &as_bytes(&volume([10, 8, 6])));
    bench
}

/// A command with what the server's clients need to know: secrets in the environment, the rest as options.
fn command(bench: &Bench, access: &Access, line: &str) -> Command {
    let mut command = bench.command(line);
    for (key, value) in &access.options {
        match key.contains("SECRET") {
            true => drop(command.env(key, value)),
            false => drop(command.arg("--storage-option").arg(format!("{key}={value}"))),
        }
    }
    command
}

fn ok(bench: &Bench, access: &Access, line: &str) -> String {
    let output = command(bench, access, line).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn urls_go_everywhere() {
    let (bench, server) = (with_file(), Server::moto().unwrap());
    let ok = |line: &str| ok(&bench, &server, &line.replace("URL", &server.url));
    ok("import in.npy URL/a/em --chunk-shape 4,4,4 --origin -5,0,0 --content-encoding gzip");
    ok("create URL/a/b/labels --shape 9,9,9 --dtype uint32");
    ok("create URL/a/em --add-scale --shape 5,4,6 --resolution 2,2,1");
    ok("copy URL/a/em URL/copy --create");
    ok("copy URL/a/em local --create --cache kept --validate open");
    ok("import URL/a/em local2 --origin -5,0,0");
    ok("export URL/copy out.npy --box -5:5,0:8,0:6");
    assert_eq!(bench.elements::<u16>("local"), ("-5:5,0:8,0:6".into(), volume([10, 8, 6])));
    assert_eq!(bench.elements::<u16>("local2"), bench.elements("local"));
    let listed = json(&ok("ls URL --json"));
    let urls: Vec<_> = listed.as_array().unwrap().iter().map(|row| row["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["a/b/labels", "a/em", "copy"].map(|name| format!("{}/{name}", server.url)));
    assert_eq!(listed[1]["scales"].as_array().unwrap().len(), 2);
    let counted = json(&ok("du URL/a --json"));
    let em = &counted["arrays"][1]["parts"];
    assert_eq!((&em[0]["objects"], &em[0]["raw_bytes"]), (&(3 * 2 * 2).into(), &960.into()), "{counted}");
    assert_eq!((&em[1]["objects"], &em[2]["scale"]), (&0.into(), &"other".into()));
    let kept = json(&bench.ok("cache info kept --json"));
    assert_eq!(kept["values"], 12);
    bench.ok("cache clear kept");
    assert_eq!(json(&bench.ok("cache info kept --json"))["values"], 0);
    ok("rm URL/copy --yes");
    ok("rm -r URL/a --yes");
    let output = command(&bench, &server, &format!("ls {}", server.url)).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

/// The names of all files below a folder.
fn files(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let of = |entry: std::io::Result<std::fs::DirEntry>| match entry.unwrap() {
        entry if entry.path().is_dir() => files(&entry.path()),
        entry => vec![entry.file_name().into_string().unwrap()],
    };
    entries.flat_map(of).collect()
}

/// Whenever a removal is killed, there is an array or none, and the same command removes what is left.
#[test]
fn a_removal_that_is_killed_leaves_an_array_or_none() {
    let bench = with_file();
    for (count, format) in ["zarr3", "precomputed", "ome-zarr", "n5"].iter().cycle().take(24).enumerate() {
        bench.ok(&format!("copy in.npy em --create --format {format} --chunk-shape 1,1,1"));
        let line = if count % 3 == 2 { "rm -r em --yes" } else { "rm em --yes" };
        let mut child = bench.command(line).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3 * (count as u64 % 12)));
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = bench.run("info em");
        match opened.status.code() {
            Some(0) => drop(bench.ok("rm em --yes")),
            Some(3) => {}
            _ => drop(bench.ok("rm -r em --yes")),
        }
        // Folders may be left, and what writers keep there for themselves.
        let left = files(&bench.path("em"));
        assert!(left.iter().all(|name| name.starts_with(".bigarrays")), "{format}: {left:?}");
        let _ = std::fs::remove_dir_all(bench.path("em"));
    }
}

#[test]
fn secrets_are_not_repeated() {
    let bench = Bench::new();
    let said = bench.fails("info s3://bucket/x --storage-option hush", 2);
    assert!(!said.contains("hush") && said.contains("key=value"), "{said}");
    let said = bench.fails("info s3://bucket/x --storage-option timeout=never", 2);
    assert!(said.contains("timeout"), "{said}");
}

/// What the environment says to a service is refused by the name of the variable where no request can carry it, and no
/// thread panics.
#[test]
fn environments_that_make_no_request_are_refused() {
    let bench = Bench::new();
    let cases = [
        ("s3://b/em", "AWS_ENDPOINT_URL", "minio:9000"),
        ("s3://b/em", "AWS_ENDPOINT_URL", "127.0.0.1:9000"),
        ("s3://b/em", "AWS_ENDPOINT_URL", ""),
        ("s3://b/em", "AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
        ("s3://b/em", "AWS_ENDPOINT_URL_S3", "minio"),
        ("s3://b/em", "AWS_REGION", "eu west"),
        ("s3://b/em", "AWS_DEFAULT_REGION", "eu/west"),
        ("s3://b/em", "AWS_SESSION_TOKEN", "x\ny"),
        ("s3://b/em", "AWS_ACCESS_KEY_ID", "ä"),
        ("gs://b/em", "GOOGLE_BASE_URL", "localhost:4443"),
        ("gs://b/em", "GOOGLE_BASE_URL", ""),
        ("az://b/em", "AZURE_STORAGE_ENDPOINT", "localhost:10000"),
        ("az://b/em", "AZURE_STORAGE_ACCOUNT_NAME", "a/b"),
        ("az://b/em", "IDENTITY_ENDPOINT", "localhost"),
    ];
    for (url, variable, value) in cases {
        let mut command = bench.command(&format!("info {url}"));
        let known = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "a"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "YQ=="),
        ];
        command.envs(known).env(variable, value);
        if variable != "AWS_DEFAULT_REGION" && variable != "AWS_REGION" {
            command.env("AWS_REGION", "us-east-1");
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}={value:?}: {said}");
        assert!(said.contains(variable) && !said.contains("panicked"), "{variable}={value:?}: {said}");
    }
    let mut command =
        bench.command("info s3://b/em --storage-option anonymous=true --storage-option retries=0");
    command.env("AWS_ENDPOINT_URL", "http://localhost.evil.example:9").env("AWS_REGION", "x");
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("plain http is refused"), "{said}");
}

#[test]
fn an_export_that_waits_is_interrupted() {
    let (bench, server) = (with_file(), Server::moto().unwrap());
    ok(&bench, &server, &format!("import in.npy {}/em --chunk-shape 4,4,4", server.url));
    // One of the chunks does not come for much longer than anybody is patient here; the export would wait for it.
    let faults = "stall=1".parse::<Faults>().unwrap().only("/0-4_0-4_0-4").stall_for(10 * PATIENCE);
    let proxy = Proxy::start(server.address(), faults).unwrap();
    let through = server.via(&proxy);
    let mut command = command(&bench, &through, &format!("export {}/em out.npy", through.url));
    command.args(["--storage-option", "timeout=600"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait(|| proxy.counts().faults.contains_key("stall"));
    // SAFETY: the process is a child that nobody has waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
    let output = output(child);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(130) && said.contains("stopping"), "{said}");
    assert!(!bench.path("out.npy").exists());
}

#[test]
fn local_folders_are_listed_counted_and_removed() {
    let bench = with_file();
    bench.ok("import in.npy deep/er/em --chunk-shape 4,4,4");
    bench.ok("create deep/vast --shape 9,9,9 --dtype uint8");
    std::fs::write(bench.path("deep/notes"), "ours").unwrap();
    std::fs::create_dir(bench.path("deep/mesh")).unwrap();
    std::fs::write(bench.path("deep/mesh/info"), "{}").unwrap();
    let text = bench.ok("ls");
    for part in ["./deep/er/em ", "./deep/vast ", "./in.npy ", "10 × 8 × 6", "4 × 4 × 4"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("mesh"), "{text}");
    assert_eq!(json(&bench.ok("ls deep --depth 1 --json")).as_array().unwrap().len(), 1);
    bench.fails("ls nowhere", 3);
    // A scale that cannot be read hides no other.
    bench.ok("create odd/layer --shape 4,4,4 --dtype uint8");
    let info = bench.path("odd/layer/info");
    let mut layer = json(&std::fs::read_to_string(&info).unwrap());
    let mut odd = layer["scales"][0].clone();
    (odd["encoding"], odd["key"]) = ("hevc".into(), "odd".into());
    layer["scales"].as_array_mut().unwrap().insert(0, odd);
    std::fs::write(&info, layer.to_string()).unwrap();
    for command in ["ls odd", "du odd", "ls odd/layer", "du odd/layer"] {
        let text = bench.ok(command);
        assert!(text.contains(" odd ") && text.contains("1_1_1"), "{command}: {text}");
    }
    std::fs::remove_dir_all(bench.path("odd")).unwrap();
    let du = json(&bench.ok("du deep --json"));
    let part = &du["arrays"][0]["parts"][0];
    assert_eq!((&part["objects"], &part["ratio"]), (&12.into(), &1.0.into()), "{du}");
    let place = bench.path("deep/er/em");
    for url in [format!("precomputed://{}", place.display()), format!("{}|precomputed:", place.display())] {
        let du = json(&bench.ok(&format!("du {url} --json")));
        assert_eq!(du["arrays"][0]["parts"][0]["objects"], 12, "{url}: {du}");
    }
    assert!(bench.ok("du in.npy").contains("960") || bench.ok("du in.npy").contains("1088"));
    bench.fails("rm -r deep", 2);
    assert!(bench.path("deep/er/em/info").exists());
    let said = bench.fails("rm -r deep --yes", 6);
    assert!(said.contains("\"mesh/info\", \"notes\""), "{said}");
    assert!(!bench.path("deep/er").exists() && bench.path("deep/mesh/info").exists());
    let said = bench.fails("rm -r deep --yes", 3);
    assert!(said.contains("notes"), "{said}");
    std::fs::remove_file(bench.path("deep/notes")).unwrap();
    std::fs::remove_file(bench.path("deep/mesh/info")).unwrap();
    bench.fails("rm -r deep --yes", 3);
    let said = bench.fails("cache clear in.npy", 3);
    assert!(said.contains("no cache"), "{said}");
}
