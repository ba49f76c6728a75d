//! `view` serves arrays until it is asked to end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use common::{Bench, output};

/// A folder with an image, and a group of two arrays.
fn bench() -> Bench {
    let bench = Bench::new();
    for line in [
        "create em --domain=-10:90,0:80,0:60 --dtype uint8 --resolution 8,8,40",
        "create-group group",
        "create group/a --shape 20,30 --dtype uint16 --format zarr3",
        "create group/b --shape 20,30 --dtype uint64 --format zarr3",
    ] {
        let made = bench.command(line).output().unwrap();
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
    }
    bench
}

/// The program, and the address that it has printed.
fn started(bench: &Bench, line: &str) -> (Child, String) {
    // No page is asked for, so that none needs to be in the build.
    let line = format!("view --no-browser --neuroglancer http://elsewhere.example/ {line}");
    let mut child = bench.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (child, url.trim().to_owned())
}

/// What is at a path below the address that is in that of the page.
fn get(url: &str, path: &str) -> String {
    let base = url.split("http://").last().unwrap();
    let (host, token) = base.split_once('/').unwrap();
    let token = &token[..32];
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{token}/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn interrupt(child: Child) -> String {
    // SAFETY: it is a child of ours that has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let ended = output(child);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{said}");
    said
}

#[test]
fn arrays_and_groups_are_served_until_it_is_interrupted() {
    let bench = bench();
    let (child, url) = started(&bench, "em group --labels group --at=-4,3,2.5 --layout xy");
    let state = get(&url, "state.json");
    for text in [
        "\"position\":[-4.0,3.0,2.5]",
        "\"layout\":\"xy\"",
        "\"name\":\"em\"",
        "\"name\":\"a\"",
        "\"name\":\"b\"",
    ] {
        assert!(state.contains(text), "{text} in {state}");
    }
    assert!(get(&url, "arrays/0/info").contains("\"voxel_offset\":[-10,0,0]"));
    assert!(get(&url, "arrays/3/info").starts_with("HTTP/1.1 404"));
    let said = interrupt(child);
    assert!(said.contains("Ctrl-C ends the server"), "{said}");
}

#[test]
fn coarser_levels_are_kept_and_arrays_lie_where_a_matrix_says() {
    let bench = bench();
    std::fs::write(bench.path("turned.csv"), "0,-1,0,80\n1,0,0,0\n0,0,1,0\n").unwrap();
    for begins in ["making", "ready"] {
        let (child, url) = started(&bench, "em group/a --pyramid kept --affine turned.csv --affine -");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !get(&url, "pyramids.json").contains("[\"ready\",null]") {
            assert!(std::time::Instant::now() < until, "{}", get(&url, "pyramids.json"));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let state = get(&url, "state.json");
        assert!(state.contains("\"matrix\":[[0.0,-1.0,0.0,10.0]"), "{state}");
        let said = interrupt(child);
        assert!(said.contains("the coarser levels of em are kept"), "{begins}: {said}");
    }
    assert_eq!(std::fs::read_dir(bench.path("kept")).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let bench = bench();
    std::fs::write(bench.path("state.json"), "[1, 2]").unwrap();
    std::fs::write(bench.path("flat.csv"), "1 0 0 0\n1 0 0 0\n0 0 1 0\n").unwrap();
    for (line, reason) in [
        ("view em --affine flat.csv --no-browser", "an affine matrix has an inverse"),
        ("view em --affine missing.csv --no-browser", "reading missing.csv"),
        ("view em em em --affine flat.csv --affine - --no-browser", "an affine matrix"),
        ("view em em em --affine - --affine - --no-browser", "--affine is given 2 times, for 3 arrays"),
        ("view nothing --no-browser", "nothing"),
        ("view em --labels seg --no-browser", "which is none of the arrays"),
        ("view em --state state.json --no-browser", "is no object of JSON"),
        ("view em --neuroglancer elsewhere --no-browser", "no address of a page"),
        ("view em --allow-origin hub.example --neuroglancer http://x.example/ --no-browser", "no origin"),
    ] {
        let refused = bench.command(line).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(reason), "{line}: {said}");
    }
}
