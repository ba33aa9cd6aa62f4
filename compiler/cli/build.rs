//! Embeds the pages of `docs/errors` for `nmc explain`.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut pages: Vec<_> = std::fs::read_dir(&folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    pages.retain(|page: &std::path::PathBuf| page.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    let mut table = String::from("[\n");
    for page in pages {
        let code = page.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let page = page.canonicalize().unwrap_or(page);
        let _ = writeln!(table, "({code:?}, include_str!({:?})),", page.display().to_string());
    }
    table.push(']');
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    std::fs::write(Path::new(&out).join("pages.rs"), table).expect("the build folder can be written");
}
