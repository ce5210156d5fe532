//! Every code that the daemon prints is explained in `docs/errors.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The codes in a text: `"E-…"` in quotes.
fn codes(text: &str, found: &mut BTreeSet<String>) {
    for part in text.split('"').filter(|part| part.starts_with("E-")) {
        if part.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            found.insert(part.to_owned());
        }
    }
}

fn walk(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            codes(&fs::read_to_string(path).unwrap(), found);
        }
    }
}

#[test]
fn every_code_has_an_entry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    walk(&root.join("src"), &mut found);
    assert!(found.len() > 20, "{found:?}");
    let docs = fs::read_to_string(root.join("../docs/errors.md")).unwrap();
    let entries: BTreeSet<_> = docs
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().trim_matches('`'))
        .collect();
    let missing: Vec<_> = found.iter().filter(|code| !entries.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "without an entry: {missing:?}");
}
