//! Groups, attributes and shapes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, as_bytes, npy, volume};
use serde_json::{Value, json};

fn read(bench: &Bench, line: &str) -> Value {
    serde_json::from_str(&bench.ok(line)).unwrap()
}

#[test]
fn groups_with_attributes() {
    for format in ["zarr3", "zarr2", "n5"] {
        let bench = Bench::new();
        bench.ok(&format!("create-group project --format {format} --set title=Kidney --set runs=[1,2]"));
        assert!(
            bench.fails(&format!("create-group project --format {format}"), 1).contains("remove it first")
        );
        bench.ok(&format!(
            "create project/raw --format {format} --shape 30,20 --dtype uint8 --chunk-shape 10,10"
        ));
        bench.ok("attributes project/raw --set unit=K --set range=[0,300]");
        bench.ok("attributes project --set title=null-ish --unset runs --set deep={\"a\":1}");
        assert_eq!(read(&bench, "attributes project"), json!({"title": "null-ish", "deep": {"a": 1}}));
        assert_eq!(read(&bench, "attributes project/raw range"), json!([0, 300]));
        assert!(bench.fails("attributes project/raw none", 3).contains("range"));
        bench.fails("attributes project --set title=null", 2);
        bench.fails("attributes nothing", 3);
        assert!(bench.fails("rm project --yes", 2).contains("-r"));
        bench.ok("rm -r project --yes");
        assert!(!bench.path("project").exists());
    }
}

#[test]
fn arrays_are_resized() {
    for format in ["zarr3", "zarr2", "n5"] {
        let bench = Bench::new();
        bench.ok(&format!("create a --format {format} --shape 30,20 --dtype uint8 --chunk-shape 10,10"));
        bench.ok("resize a 35,20");
        assert!(bench.fails("resize a 35,10", 2).contains("--shrink"));
        bench.fails("resize a 35", 2);
        bench.ok("resize a 5,0 --shrink");
        assert_eq!(read(&bench, "info a --json")["shape"], json!([5, 0]));
    }
    let bench = Bench::new();
    bench.ok("create em --shape 30,20,10 --dtype uint8");
    bench.fails("resize em 40,20,10", 1);
}

#[test]
fn images_of_n5() {
    let bench = Bench::new();
    bench.ok(
        "create em --format n5 --key s0 --shape 30,20,10 --dtype uint8 --chunk-shape 16,16,16 --resolution 8,8,40",
    );
    bench.ok("create em --add-scale --shape 15,10,10 --chunk-shape 16,16,16 --resolution 16,16,40");
    let info = read(&bench, "info em --json --scale s1");
    assert_eq!((&info["format"], &info["resolution"]["size"]), (&json!("n5"), &json!([16.0, 16.0, 40.0])));
    assert_eq!(read(&bench, "attributes em scales"), json!([[1, 1, 1], [2, 2, 1]]));
    bench.ok("rm em --scale 1 --yes");
    bench.ok("rm em --yes");
    assert!(!bench.path("em").exists());
}

/// What is removed without asking what it is vanishes from the metadata above, too.
#[test]
fn consolidated_metadata_forget_what_is_removed() {
    let bench = Bench::new();
    bench.ok("create-group g");
    bench.ok("create-group g/inner");
    bench.ok("create g/inner/a --format zarr3 --shape 4 --dtype uint8 --chunk-shape 4");
    let path = bench.path("g/zarr.json");
    let mut group: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let copy = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(bench.path(&format!("g/{name}/zarr.json"))).unwrap()).unwrap()
    };
    let copies = json!({"inner": copy("inner"), "inner/a": copy("inner/a")});
    group["consolidated_metadata"] = json!({"kind": "inline", "must_understand": false, "metadata": copies});
    std::fs::write(&path, group.to_string()).unwrap();
    bench.ok("resize g/inner/a 9");
    let group = || -> Value { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
    assert_eq!(group()["consolidated_metadata"]["metadata"]["inner/a"]["shape"], json!([9]));
    bench.ok("rm -r g/inner --yes");
    assert_eq!(group()["consolidated_metadata"]["metadata"], json!({}));
}

#[test]
fn groups_are_listed_and_verified_whatever_one_member_is() {
    let bench = Bench::new();
    for (group, format, document) in
        [("g", "zarr3", "zarr.json"), ("two", "zarr2", ".zarray"), ("n", "n5", "attributes.json")]
    {
        bench.ok(&format!("create-group {group} --format {format}"));
        for member in ["a", "deep/b"] {
            bench.ok(&format!(
                "create {group}/{member} --format {format} --shape 4 --chunk-shape 2 --dtype uint8"
            ));
        }
        let said = bench.ok(&format!("ls {group}"));
        assert!(said.contains(&format!("{group}/a ")) && said.contains("deep/b"), "{said}");
        assert!(bench.ok(&format!("verify {group}")).contains("whole"));
        std::fs::write(bench.path(group).join("a").join(document), b"{\"zarr").unwrap();
        let output = bench.run(&format!("verify {group}"));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.code() == Some(8) && said.contains("JSON") && said.contains("deep/b"),
            "{said}"
        );
        let said = bench.ok(&format!("ls {group}"));
        assert!(!said.contains(&format!("{group}/a ")) && said.contains("deep/b"), "{said}");
    }
}

#[test]
fn labels_of_an_image_are_listed_and_said_not_to_be_copied() {
    let bench = Bench::new();
    for array in ["image", "image/labels/cells"] {
        bench.ok(&format!("create {array} --format ome-zarr --shape 6,8 --dtype uint8 --key 0"));
    }
    bench.ok("create image --add-scale --shape 3,4 --resolution 2,2");
    let listed = read(&bench, "ls image --json");
    let urls: Vec<&Value> = listed.as_array().unwrap().iter().map(|array| &array["url"]).collect();
    assert_eq!(urls, ["image", "image/labels/cells"]);
    let output = bench.run("copy image copied --create --all-scales");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not copied, as they are arrays of their own: image/labels/cells"), "{said}");
    assert!(!bench.path("copied/labels").exists() && bench.path("copied/1").exists());
}

/// A group at `path` with these members for images.
fn group_of_images(bench: &Bench, path: &str, is_nested: bool, members: Value) {
    let folder = bench.path(path);
    std::fs::create_dir_all(&folder).unwrap();
    let documents = match is_nested {
        true => vec![(
            "zarr.json",
            json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": members}}),
        )],
        false => vec![(".zgroup", json!({"zarr_format": 2})), (".zattrs", members)],
    };
    for (name, document) in documents {
        std::fs::write(folder.join(name), document.to_string()).unwrap();
    }
}

#[test]
fn roots_of_several_images_are_what_they_are() {
    let bench = Bench::new();
    for (format, is_nested) in [("ome-zarr", true), ("ome-zarr-0.4", false)] {
        let group = |path: &str, members: Value| {
            group_of_images(&bench, &format!("{format}/{path}"), is_nested, members);
        };
        let image = |path: &str| {
            bench.ok(&format!(
                "create {format}/{path} --format {format} --shape 2,3 --dimension-names y,x --dtype uint8"
            ));
        };
        group("raw", json!({"bioformats2raw.layout": 3}));
        group("listed", json!({"bioformats2raw.layout": 3}));
        group("listed/OME", json!({"series": ["first", "second"]}));
        group("plate", json!({"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}}));
        for well in ["A/1", "A/2"] {
            group(&format!("plate/{well}"), json!({"well": {"images": [{"path": "0"}, {"path": "1"}]}}));
        }
        let images = [
            "raw/0",
            "raw/1",
            "listed/first",
            "listed/second",
            "plate/A/1/0",
            "plate/A/1/1",
            "plate/A/2/0",
            "plate/A/2/1",
        ];
        images.iter().for_each(|path| image(path));
        for (path, said) in [
            (
                "raw",
                "a root of several images, as bioformats2raw makes it, not an image: open one of its images by its path, which are 0, 1",
            ),
            ("listed", "which are first, second"),
            (
                "plate",
                "a plate of 2 wells, not an image: open one of its images by its path, which are A/1/0, A/1/1, A/2/0, A/2/1",
            ),
            (
                "plate/A/2",
                "a well of a plate, not an image: open one of its images by its path, which are 0, 1",
            ),
        ] {
            let error = bench.fails(&format!("info {format}/{path}"), 2);
            assert!(error.contains(said), "{error}");
        }
        // By its path, as any array of a group.
        assert!(bench.ok(&format!("info {format}/plate --scale A/1/0/0")).contains("2 × 3"));
        let listed = bench.ok(&format!("ls {format}"));
        assert!(images.iter().all(|path| listed.contains(&format!("{format}/{path} "))), "{listed}");
    }
}

#[test]
fn arrays_of_no_numbers_are_shown_and_exported_and_not_sampled() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("complex")).unwrap();
    let document = json!({
        "zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "<c8", "fill_value": [1.5, 0], "order": "C",
        "filters": null, "compressor": null,
    });
    std::fs::write(bench.path("complex/.zarray"), document.to_string()).unwrap();
    assert!(bench.ok("info complex").contains("complex64"));
    bench.ok("export complex complex.npy");
    let bytes = std::fs::read(bench.path("complex.npy")).unwrap();
    let (fill, zero) = (1.5f32.to_le_bytes(), [0; 4]);
    assert_eq!(bytes[bytes.len() - 16..], [fill, zero, fill, zero].concat());
    std::fs::write(bench.path("points.csv"), "x\n1\n").unwrap();
    assert!(bench.fails("sample complex points.csv", 1).contains("complex64 elements are no numbers"));
    assert!(
        bench.fails("copy complex other --create --format zarr3", 1).contains("new arrays do not have them")
    );
    assert!(!bench.path("other").exists());
}

#[test]
fn a_format_in_a_url_is_that_of_what_is_made() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[3, 4, 5], &as_bytes(&volume([5, 4, 3])));
    bench.ok("create layer --shape 5,4,3 --dtype uint16");
    for name in ["precomputed", "zarr3", "zarr2", "n5"] {
        let made = |path: &str| {
            let found = json!([path, read(&bench, &format!("info {path} --json"))["format"]]);
            assert_eq!(found, json!([path, name]));
        };
        bench.ok(&format!("create {name}/created|{name}: --shape 5,4,3 --dtype uint16"));
        made(&format!("{name}/created"));
        bench.ok(&format!("import in.npy {name}/imported|{name}:"));
        made(&format!("{name}/imported"));
        bench.ok(&format!("copy layer {name}/rehearsed|{name}: --create --dry-run"));
        bench.ok(&format!("copy layer {name}/copied|{name}: --create"));
        made(&format!("{name}/copied"));
        bench.ok(&format!("copy layer {name}://{name}/before --create"));
        made(&format!("{name}/before"));
        if name != "precomputed" {
            bench.ok(&format!("create-group {name}/group|{name}:"));
            bench.ok(&format!("attributes {name}/group"));
            assert!(
                bench.fails(&format!("create-group {name}/group|{name}:"), 1).contains("remove it first")
            );
        }
    }
    bench.ok("create image|zarr3: --format ome-zarr --shape 5,4,3 --dtype uint16");
    bench.ok("copy image same|zarr3: --create");
    assert_eq!(read(&bench, "info same --json")["format"], "ome-zarr");
    for command in
        ["create x|zarr3: --shape 4 --dtype uint8", "copy layer x|zarr3: --create", "import in.npy x|zarr3:"]
    {
        let said = bench.fails(&format!("{command} --format n5"), 2);
        assert!(said.contains("the URL names zarr3, not n5"), "{said}");
    }
    let said = bench.fails("info precomputed://layer|zarr3:", 2);
    assert!(said.contains("the URL names zarr3 and precomputed, and nothing is of both formats"), "{said}");
}

#[test]
fn what_is_of_another_format_than_the_url_names_is_neither_changed_nor_removed() {
    let bench = Bench::new();
    for (path, format) in
        [("layer", "precomputed"), ("g/n5", "n5"), ("g/zarr2", "zarr2"), ("h/zarr3", "zarr3")]
    {
        bench.ok(&format!("create {path} --format {format} --shape 4,4,4 --dtype uint8 --chunk-shape 2,2,2"));
        npy(&bench.path("in.npy"), "|u1", false, &[4; 3], &[7; 64]);
        bench.ok(&format!("copy in.npy {path}"));
    }
    bench.ok("create-group h --format zarr2");
    let before = |path: &str| read(&bench, &format!("du {path} --json"));
    for (path, named) in [
        ("layer", "zarr"),
        ("layer", "zarr3"),
        ("layer", "n5"),
        ("g/n5", "zarr3"),
        ("g/n5", "precomputed"),
        ("g/zarr2", "zarr3"),
        ("g/zarr2", "n5"),
        ("h/zarr3", "zarr2"),
        ("h", "zarr3"),
        ("h", "zarr2"),
    ] {
        let kept = before(path);
        for url in [format!("{path}|{named}:"), format!("{named}://{path}")] {
            for command in [
                "rm -y",
                "rm -r -y",
                "resize --shrink",
                "attributes --set a=1",
                "create --add-scale --shape 2,2,2",
            ] {
                let shape = if command.starts_with("resize") { "2,2,2" } else { "" };
                let output = bench.run(&format!("{command} {url} {shape}"));
                // The group itself is one of Zarr 2, which has attributes.
                let is_its_own = path == "h" && named == "zarr2" && command.starts_with("attributes");
                assert_eq!(output.status.success(), is_its_own, "{command} {url}");
                assert_eq!(before(path), kept, "{command} {url}");
            }
        }
    }
    let said = bench.fails("rm -r -y h|zarr2:", 2);
    assert!(said.contains("zarr3/zarr.json is not of ome-zarr-0.4 or zarr2, which the URL names"), "{said}");
    assert!(bench.fails("rm -r -y g/n5|zarr3:", 3).contains("nothing of ome-zarr or zarr3 is there"));
    for (path, named) in [("layer", "precomputed"), ("g/n5", "n5"), ("h/zarr3", "zarr"), ("h", "zarr2")] {
        bench.ok(&format!("rm -r -y {path}|{named}:"));
        assert!(!bench.path(path).exists(), "{path}");
    }
}

#[test]
fn groups_are_listed_by_urls_that_name_their_format() {
    let bench = Bench::new();
    for format in ["zarr2", "zarr3", "n5"] {
        bench.ok(&format!("create-group {format} --format {format}"));
        bench.ok(&format!("create {format}/deep/a --format {format} --shape 4,4 --dtype uint8"));
        npy(&bench.path(&format!("{format}/beside.npy")), "|u1", false, &[4], &[7; 4]);
        for url in
            [format!("{format}|{format}:"), format!("{format}://{format}"), format!("{format}|{format}:deep")]
        {
            let listed = read(&bench, &format!("ls {url} --json"));
            assert_eq!(listed.as_array().map(Vec::len), Some(1), "{url}");
            assert_eq!(listed[0]["shape"], json!([4, 4]));
            assert_eq!(read(&bench, &format!("du {url} --json"))["arrays"].as_array().map(Vec::len), Some(1));
        }
    }
    bench.fails("ls nowhere|zarr2:", 3);
}

/// A folder is no document, whatever it is called.
#[test]
fn folders_may_be_called_as_documents_are() {
    let bench = Bench::new();
    for format in ["zarr3", "zarr2", "n5"] {
        bench.ok(&format!("create-group {format} --format {format}"));
        let names = ["info", "zarr.json", ".zarray", "attributes.json"];
        let folders = names.iter().filter(|name| !bench.path(format).join(name).exists());
        let made = folders.map(|name| {
            bench.ok(&format!("create {format}/{name}/a --format {format} --shape 4,4 --dtype uint8"))
        });
        let count = made.count();
        let listed = read(&bench, &format!("ls {format} --json"));
        assert_eq!(listed.as_array().map(Vec::len), Some(count), "{format}: {listed}");
        bench.ok(&format!("attributes {format} --set a=1"));
        bench.ok(&format!("create {format}/b --format {format} --shape 4,4 --dtype uint8"));
        bench.ok(&format!("rm -r -y {format}"));
        assert!(!bench.path(format).exists());
    }
}
