//! What the scripts in `newcomers` paste is in the guides: a look at each block, where running the scripts takes minutes.

#![allow(clippy::unwrap_used, reason = "a test tells what it did not expect by a panic")]

use std::{fs, path::Path};

/// The guide and the text of each block that a script takes.
fn taken(script: &str) -> Vec<(String, String)> {
    let guide = script.lines().find_map(|line| line.strip_prefix("guide=")).unwrap();
    let after = |line: &str| {
        let taker =
            ["paste ", "dependencies ", "commands ", "$(block "].into_iter().find_map(|name| line.split_once(name));
        let (page, rest) = taker.filter(|_| !line.starts_with('#'))?.1.split_once(' ')?;
        let text = rest.strip_prefix('\'')?.split_once('\'')?.0;
        Some((if page == "$guide" { guide } else { page }.to_owned(), text.to_owned()))
    };
    script.lines().filter_map(after).collect()
}

/// The blocks of a page, as a reader of the rendered page sees them: what begins with a `#` is hidden in Rust, and nowhere else.
fn blocks(page: &str) -> Vec<String> {
    let (mut blocks, mut is_inside, mut is_rust) = (Vec::<String>::new(), false, false);
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            is_inside = !is_inside;
            is_rust = matches!(kind.split(',').next(), Some("" | "rust" | "no_run"));
            blocks.extend(is_inside.then(String::new));
        } else if let (true, Some(block)) = (is_inside, blocks.last_mut())
            && !(is_rust && (line.trim() == "#" || line.trim().starts_with("# ")))
        {
            block.extend([line, "\n"]);
        }
    }
    blocks
}

#[test]
fn each_block_that_a_newcomer_takes_is_in_the_guide_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for newcomer in ["app", "flask", "actix_session"] {
        let script = fs::read_to_string(root.join("newcomers").join(newcomer)).unwrap();
        let taken = taken(&script);
        assert!(taken.len() > 4, "{newcomer} takes {taken:?}");
        for (guide, text) in taken {
            let page = fs::read_to_string(root.join("../session/src/docs").join(&guide)).unwrap();
            let found = blocks(&page).iter().filter(|block| block.contains(&text)).count();
            assert_eq!(found, 1, "{newcomer} takes the block of {guide} with `{text}`");
        }
    }
}
