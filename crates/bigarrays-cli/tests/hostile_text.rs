//! What comes from files and URLs changes no terminal, and shows no secrets.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Bench;

/// Escapes, a line that was never written, and a text that turns around.
const HOSTILE: &str = "\\u001b]0;x\\u0007\\nerror: no\\u009b2J\\u202e";

fn assert_harmless(what: &str, output: &std::process::Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let hostile = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
        assert!(!text.contains(hostile), "{what}: {text:?}");
        let invented = text.lines().filter(|line| line.starts_with("error: no")).count();
        assert_eq!(invented, 0, "{what}: {text}");
    }
}

#[test]
fn metadata_change_no_terminal() {
    let bench = Bench::new();
    bench.ok("create a.zarr --format zarr3 --shape 4,4,4 --dtype uint8 --chunk-shape 4,4,4");
    let path = bench.path("a.zarr/zarr.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hostile: String = serde_json::from_str(&format!("\"{HOSTILE}\"")).unwrap();
    document["dimension_names"] = serde_json::json!([hostile, "y", "z"]);
    document["attributes"] = serde_json::json!({ (hostile.clone()): hostile });
    std::fs::write(&path, document.to_string()).unwrap();
    bench.ok("create p --shape 4,4,4 --dtype uint8 --chunk-shape 4,4,4");
    let path = bench.path("p/info");
    let mut info: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    info["scales"][0]["key"] = hostile.clone().into();
    std::fs::write(&path, info.to_string()).unwrap();
    std::fs::create_dir_all(bench.path(&hostile.replace('/', ""))).unwrap();
    std::fs::copy(bench.path("a.zarr/zarr.json"), bench.path(&hostile).join("zarr.json")).unwrap();
    std::fs::write(bench.path("a.zarr").join(&hostile), b"stranger").unwrap();
    for line in [
        "info a.zarr",
        "info a.zarr --json",
        "info p",
        "ls .",
        "ls . --json",
        "du .",
        "du . --json",
        "verify a.zarr",
        "verify p",
        "verify a.zarr --json",
        "attributes a.zarr",
        "attributes a.zarr nothing",
        "info p --scale nothing",
        "export a.zarr x.npy --transpose nothing",
        "copy a.zarr b --create --dry-run",
        "copy a.zarr p",
        "copy p c --create",
    ] {
        assert_harmless(line, &bench.run(line));
    }
    let shown = bench.ok("attributes a.zarr");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()[&hostile], hostile);
    // A document of another kind is quoted in errors.
    for (key, value) in [("data_type", hostile.clone()), ("chunk_grid", hostile.clone()), ("codecs", hostile)]
    {
        let mut broken = document.clone();
        broken[key] = value.into();
        std::fs::write(bench.path("a.zarr/zarr.json"), broken.to_string()).unwrap();
        assert_harmless(key, &bench.run("info a.zarr"));
    }
}

#[test]
fn secrets_are_not_repeated() {
    let bench = Bench::new();
    for line in [
        "info http://me:HUSH@127.0.0.1:9/x",
        "info http://127.0.0.1:9/x?token=HUSH",
        "info s3://AKIA:HUSH@bucket/x",
        "copy http://me:HUSH@127.0.0.1:9/x b --create",
        "create http://me:HUSH@127.0.0.1:9/x --shape 4,4,4 --dtype uint8",
        "verify http://me:HUSH@127.0.0.1:9/x",
        "ls http://127.0.0.1:9/x?HUSH",
        "du s3://AKIA:HUSH@bucket/x",
        "rm -r s3://AKIA:HUSH@bucket/x",
        "info s3://bucket/x --storage-option secret_access_key/HUSH",
        "info s3://bucket/x --storage-option HUSH1=",
    ] {
        // Nobody is there, however often it is tried.
        let said = bench.run(&format!("{line} --storage-option retries=0"));
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.starts_with("error: ") && !said.to_ascii_lowercase().contains("hush"), "{line}: {said}");
    }
}
