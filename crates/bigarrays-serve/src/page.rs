//! The files of the page, which the build has put into the program as what is sent of them: their gzip.

/// Names and contents.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What may be done on the page: what it brings along, and nothing that is elsewhere, nor what is made of text. The functions that
/// Neuroglancer makes of text are written out where it is built (`without-eval.mjs`).
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self' blob:; \
    connect-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
    base-uri 'none'; form-action 'none'";

/// A page that needs no WebGL: planes that the server draws.
const PLAIN: [(&str, &str, &str); 3] = [
    ("plain.html", "text/html; charset=utf-8", include_str!("../plain/plain.html")),
    ("plain.css", "text/css; charset=utf-8", include_str!("../plain/plain.css")),
    ("plain.js", "text/javascript; charset=utf-8", include_str!("../plain/plain.js")),
];

/// A file of the plain page: its type, and what is in it.
pub(crate) fn plain(name: &str) -> Option<(&'static str, &'static str)> {
    PLAIN.iter().find(|(known, ..)| *known == name).map(|(_, kind, text)| (*kind, *text))
}

/// A file of the page: its type, and its gzip.
pub(crate) fn file(name: &str) -> Option<(&'static str, &'static [u8])> {
    let (_, contents) = FILES.iter().find(|(known, _)| *known == name)?;
    let kind = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    Some((kind, contents))
}

/// Whether Neuroglancer is in this build.
pub fn has_page() -> bool {
    !FILES.is_empty()
}
