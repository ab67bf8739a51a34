//! The tables in `benches/README.md`, which nobody types.

use std::{fs, path::Path};

use crate::Outcome;

/// Puts a text between the markers of this name.
pub(crate) fn replace(name: &str, text: &str) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path)?;
    let (begin, end) = (format!("<!-- measured: {name} -->\n"), format!("<!-- end of {name} -->"));
    let parts = readme.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{} lacks the markers of {name}", path.display()))?;
    Ok(fs::write(&path, format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))?)
}
