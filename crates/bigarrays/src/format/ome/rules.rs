//! What the specification of OME-Zarr forbids in an image that can be read all the same.
//!
//! <https://ngff.openmicroscopy.org/0.5/index.html#multiscale-md>

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::axes::{Axis, check_axes, parse_axis};

/// Versions before scales had sizes: with names of axes, or without any axes.
pub(super) const DRAFTS: [&str; 3] = ["0.1", "0.2", "0.3"];

/// What the members of the attributes of a group have that is forbidden, for each image that they list. `version` is
/// that of the documents in which they stand: 0.4, and drafts, or 0.5.
pub(super) fn problems(members: &Map<String, Value>, version: &str) -> Vec<String> {
    let Some(all) = members.get("multiscales") else { return Vec::new() };
    let Some(all) = all.as_array() else { return vec!["multiscales: expected a list".to_owned()] };
    let mut found = Vec::new();
    if version == "0.5" {
        found.extend(wrong_version("version", members.get("version"), &["0.5"]));
    }
    for (k, image) in all.iter().enumerate() {
        let said = image.get("version").and_then(Value::as_str);
        let is_draft = version == "0.4" && is_draft(image, said);
        let of_image = match is_draft {
            true => of_draft(image),
            false => of_image(image, version),
        };
        found.extend(of_image.into_iter().map(|problem| format!("multiscales[{k}].{problem}")));
    }
    found.extend(of_channels(members.get("omero")));
    found
}

/// Whether an image is of a draft, in which nothing is said of sizes.
fn is_draft(image: &Value, version: Option<&str>) -> bool {
    let is_plain = |axis: &Value| axis.is_string();
    let has_plain_axes = match image.get("axes").and_then(Value::as_array) {
        Some(axes) => axes.iter().all(is_plain),
        None => true,
    };
    version.map_or(has_plain_axes, |version| DRAFTS.contains(&version))
}

fn wrong_version(member: &str, said: Option<&Value>, known: &[&str]) -> Option<String> {
    let text = said.and_then(Value::as_str);
    let shown = said.map_or("nothing".to_owned(), ToString::to_string);
    let is_known = text.is_some_and(|text| known.contains(&text));
    (!is_known).then(|| format!("{member}: expected {}, found {shown}", known.join(" or ")))
}

/// What is wrong with an image of a draft: 0.3 has the names of axes, the others none.
fn of_draft(image: &Value) -> Vec<String> {
    let axes = image.get("axes").and_then(Value::as_array);
    let wrong = axes.filter(|axes| !(2..=5).contains(&axes.len()));
    let count = wrong.map(|axes| format!("axes: expected 2 to 5, found {}", axes.len()));
    count.into_iter().chain(path_twice(image)).collect()
}

fn of_image(image: &Value, version: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Of 0.5, the version stands beside the images.
    if let Some(said) = image.get("version") {
        found.extend(wrong_version("version", Some(said), &[version]));
    }
    let axes = image.get("axes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    found.extend(of_axes(axes));
    if !(2..=5).contains(&axes.len()) {
        return found;
    }
    found.extend(path_twice(image));
    let datasets = image.get("datasets").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut before: Option<f64> = None;
    for (k, dataset) in datasets.iter().enumerate() {
        let at = format!("datasets[{k}].coordinateTransformations");
        match steps(dataset, axes.len(), true) {
            Err(problem) => found.push(format!("{at}: {problem}")),
            Ok(volume) => {
                if before.is_some_and(|before| volume < before * (1.0 - 1e-9)) {
                    found.push(format!(
                        "datasets[{k}]: it is finer than the one before; the finest comes first"
                    ));
                }
                before = Some(volume);
            }
        }
    }
    if image.get("coordinateTransformations").is_some()
        && let Err(problem) = steps(image, axes.len(), false)
    {
        found.push(format!("coordinateTransformations: {problem}"));
    }
    found
}

/// What is wrong with the number, types, order and names of axes.
fn of_axes(axes: &[Value]) -> Option<String> {
    if !(2..=5).contains(&axes.len()) {
        return Some(format!("axes: expected 2 to 5, found {}", axes.len()));
    }
    let parsed: Result<Vec<Axis>, _> = axes.iter().enumerate().map(|(k, axis)| parse_axis(axis, k)).collect();
    let plain = axes.iter().position(|axis| !axis.is_object());
    if let Some(k) = plain {
        return Some(format!("axes[{k}]: expected an object, found {}", axes[k]));
    }
    // What cannot be parsed, opening says.
    let parsed = parsed.ok()?;
    let error = check_axes(&parsed).err()?.to_string();
    let wrong = error.split(", as an image").next().unwrap_or_default();
    Some(format!("axes: {}", wrong.trim_start_matches("invalid argument: ")))
}

/// A path that two datasets of an image have.
fn path_twice(image: &Value) -> Option<String> {
    let datasets = image.get("datasets")?.as_array()?;
    let paths: Vec<&Value> = datasets.iter().filter_map(|dataset| dataset.get("path")).collect();
    let mut seen = HashSet::new();
    let k = paths.iter().position(|path| !seen.insert(*path))?;
    Some(format!("datasets[{k}].path: {} stands there twice", paths[k]))
}

/// The product of the scale of what has transformations: one scale, and one translation behind it at most.
fn steps(of: &Value, ndim: usize, is_dataset: bool) -> Result<f64, String> {
    let steps = of.get("coordinateTransformations").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let kinds: Vec<&str> =
        steps.iter().map(|step| step.get("type").and_then(Value::as_str).unwrap_or_default()).collect();
    if let Some(kind) = kinds.iter().find(|kind| !["scale", "translation"].contains(kind)) {
        return Err(format!("expected scales and translations, found {kind:?}"));
    }
    let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
    match (count("scale"), count("translation")) {
        (0, _) if is_dataset => return Err("expected a scale, found none".to_owned()),
        (2.., _) => return Err("expected one scale, found several".to_owned()),
        (_, 2..) => return Err("expected one translation at most, found several".to_owned()),
        _ => {}
    }
    if kinds.first() == Some(&"translation") && kinds.contains(&"scale") {
        return Err("a translation stands before the scale".to_owned());
    }
    let mut volume = 1.0;
    for (step, kind) in steps.iter().zip(&kinds) {
        let numbers = step.get(*kind).and_then(Value::as_array);
        // Numbers in a document of their own are none that we read.
        let numbers: Option<Vec<f64>> = numbers.map(|all| all.iter().filter_map(Value::as_f64).collect());
        let fits = numbers.as_ref().is_some_and(|numbers| numbers.len() == ndim);
        if !fits {
            return Err(format!("expected {ndim} numbers of a {kind}, one for each axis"));
        }
        if *kind == "scale" {
            volume = numbers.into_iter().flatten().product();
        }
    }
    Ok(volume)
}

/// What is wrong with how channels are to be shown.
fn of_channels(omero: Option<&Value>) -> Vec<String> {
    let Some(channels) = omero.and_then(|omero| omero.get("channels")) else { return Vec::new() };
    let Some(channels) = channels.as_array() else {
        return vec!["omero.channels: expected a list".to_owned()];
    };
    let mut found = Vec::new();
    for (k, channel) in channels.iter().enumerate() {
        let color = channel.get("color").and_then(Value::as_str);
        if !color
            .is_some_and(|color| color.len() == 6 && color.bytes().all(|digit| digit.is_ascii_hexdigit()))
        {
            found.push(format!("omero.channels[{k}].color: expected six hexadecimal digits"));
        }
        let window = |name: &str| channel.get("window").and_then(|window| window.get(name)?.as_f64());
        if let Some(name) = ["min", "max", "start", "end"].into_iter().find(|name| window(name).is_none()) {
            found.push(format!("omero.channels[{k}].window.{name}: expected a number"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image() -> Value {
        let axis = |name: &str, kind: &str| json!({"name": name, "type": kind});
        let step = |size: f64| json!([{"type": "scale", "scale": [1, 1, size, size]}]);
        json!({
            "axes": [axis("t", "time"), axis("c", "channel"), axis("y", "space"), axis("x", "space")],
            "datasets": [{"path": "0", "coordinateTransformations": step(1.0)},
                         {"path": "1", "coordinateTransformations": step(2.0)}],
        })
    }

    fn of(image: Value, version: &str) -> Vec<String> {
        let members = json!({"version": version, "multiscales": [image]});
        problems(members.as_object().unwrap(), version)
    }

    #[test]
    fn images_that_keep_the_rules_are_whole() {
        for version in ["0.4", "0.5"] {
            assert_eq!(of(image(), version), [""; 0]);
        }
        for draft in ["0.1", "0.2", "0.3"] {
            let plain = json!({"version": draft, "datasets": [{"path": "0"}, {"path": "1"}]});
            assert_eq!(of(plain, "0.4"), [""; 0]);
            let named = json!({"version": draft, "axes": ["z", "y", "x"], "datasets": [{"path": "0"}]});
            assert_eq!(of(named, "0.4"), [""; 0]);
        }
        assert_eq!(of(json!({"datasets": [{"path": "0"}]}), "0.4"), [""; 0], "of no version");
    }

    #[test]
    fn each_rule_that_is_broken_is_named() {
        let space = json!({"name": "z", "type": "space"});
        let cases = [
            ("/axes", json!([space]), "axes: expected 2 to 5, found 1"),
            ("/axes/0", json!({"name": "x", "type": "time"}), "name twice"),
            ("/axes/2", json!({"name": "z", "type": "time"}), "two or three of space"),
            ("/axes/0", json!({"name": "z", "type": "space"}), "order time, channel, space"),
            ("/axes/1", json!("c"), "axes[1]: expected an object"),
            ("/datasets/1/path", json!("0"), "stands there twice"),
            ("/datasets/0/coordinateTransformations", json!([]), "expected a scale, found none"),
            (
                "/datasets/1/coordinateTransformations/0/scale",
                json!([1, 1, 0.5, 0.5]),
                "the finest comes first",
            ),
            ("/datasets/1/coordinateTransformations/0/scale", json!([1, 1, 1]), "expected 4 numbers"),
            ("/datasets/1/coordinateTransformations/0/type", json!("affine"), "affine"),
            ("/version", json!("0.6"), "version: expected"),
        ];
        for (pointer, value, named) in cases {
            for version in ["0.4", "0.5"] {
                let mut image = image();
                image["version"] = json!(version);
                *image.pointer_mut(pointer).unwrap() = value.clone();
                let found = of(image, version);
                assert!(found.len() == 1 && found[0].contains(named), "{pointer} {named}: {found:?}");
            }
        }
        let members = json!({"version": "0.6", "multiscales": [image(), {"datasets": []}],
                             "omero": {"channels": [{"color": "red"}]}});
        let found = problems(members.as_object().unwrap(), "0.5").join("; ");
        for named in ["version: expected 0.5", "multiscales[1].axes", "channels[0].color", "window.min"] {
            assert!(found.contains(named), "{named}: {found}");
        }
    }
}
