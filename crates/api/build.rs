//! Builds the page in `dashboard/` with npm and Vite, and lists its files for `src/dashboard.rs` to embed; and the texts of docs/help for
//! `src/help.rs`.
//!
//! Writes to `OUT_DIR` and, for npm's packages, to `dashboard/node_modules`. It asks the network only when the packages are not those of the
//! lock file. Where npm is missing, or must not be asked, the program is built without the page and says so; a page that is there and does
//! not build fails the build.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the page is made of.
const INPUTS: [&str; 7] =
    ["../openapi/openapi.json", "src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts"];
const SKIP: &str = "POSTROOM_SKIP_DASHBOARD";

fn main() {
    // Asked for when it runs: cargo takes the same build script for another checkout that shares its target directory.
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    let dashboard = here.join("../../dashboard");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={SKIP}");
    for input in INPUTS {
        println!("cargo:rerun-if-changed={}", dashboard.join(input).display());
    }
    let built = out.join("dashboard");
    let table = match build(&dashboard, &built) {
        Ok(()) => table_of(&built),
        Err(missing) => {
            println!("cargo:warning=the dashboard is not built in: {missing}");
            format!("pub const MISSING: Option<&str> = Some({missing:?});\npub static FILES: &[File] = &[];\n")
        }
    };
    fs::write(out.join("dashboard.rs"), table).expect("OUT_DIR takes files");
    help(&here.join("../../docs/help"), &out.join("help.rs"));
}

/// What `src/help.rs` embeds: each failure's code and its text.
fn help(texts: &Path, into: &Path) {
    println!("cargo:rerun-if-changed={}", texts.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(texts).map(|files| files.flatten().map(|file| file.path()).collect()).unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "md"));
    files.sort();
    let mut table = "static TEXTS: &[(&str, &str)] = &[\n".to_owned();
    for file in files {
        let code = file.file_stem().and_then(|name| name.to_str()).expect("codes are ASCII");
        let _ = writeln!(table, "    ({code:?}, include_str!({:?})),", file.display().to_string());
    }
    table.push_str("];\n");
    fs::write(into, table).expect("OUT_DIR takes files");
}

/// `Err`: why there is no page, in words for whoever opens it.
fn build(dashboard: &Path, into: &Path) -> Result<(), String> {
    if env::var_os(SKIP).is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(format!("{SKIP} was set when this program was built"));
    }
    let node = Command::new("node").arg("--version").output().map_err(|_| "Node.js was not found".to_owned())?;
    let version = String::from_utf8_lossy(&node.stdout).trim().to_owned();
    if !is_new_enough(&version) {
        return Err(format!("Node.js is {version}, and 20.19 or newer is needed"));
    }
    if !packages_are_current(dashboard) {
        let install = Command::new("npm")
            .args(["ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(dashboard)
            .output()
            .map_err(|_| "npm was not found".to_owned())?;
        if !install.status.success() {
            let said = String::from_utf8_lossy(&install.stderr).into_owned();
            let line = said.lines().find(|line| line.contains("error")).unwrap_or("npm ci failed").to_owned();
            return Err(format!("npm could not install the packages ({line})"));
        }
    }
    // Node itself is started, so that neither npm's wrapper nor a shell stands between.
    let vite = Command::new("node")
        .args(["node_modules/vite/bin/vite.js", "build", "--emptyOutDir", "--logLevel", "warn", "--outDir"])
        .arg(into)
        .current_dir(dashboard)
        .output()
        .map_err(|error| format!("Vite could not be started: {error}"))?;
    let said = String::from_utf8_lossy(&vite.stdout).into_owned() + &String::from_utf8_lossy(&vite.stderr);
    assert!(vite.status.success(), "the dashboard does not build:\n{said}");
    Ok(())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    major > 22 || major == 22 && minor >= 12 || major == 20 && minor >= 19
}

/// npm writes this file last; one that is older than the lock, or missing, means that something is not there.
fn packages_are_current(dashboard: &Path) -> bool {
    let changed = |path: &str| fs::metadata(dashboard.join(path)).and_then(|file| file.modified());
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Ok(installed), Ok(locked)) => installed >= locked,
        _ => false,
    }
}

/// One line a file, with the compressed copies that Vite wrote beside it.
fn table_of(built: &Path) -> String {
    let mut paths = Vec::new();
    let mut folders = vec![built.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("Vite wrote it").flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let mut table = "pub const MISSING: Option<&str> = None;\npub static FILES: &[File] = &[\n".to_owned();
    let compressed = |path: &Path| path.extension().is_some_and(|ending| ending == "br" || ending == "gz");
    for path in paths.iter().filter(|path| !compressed(path)) {
        let name =
            path.strip_prefix(built).expect("inside").to_str().expect("Vite names files in ASCII").replace('\\', "/");
        let copy = |ending: &str| {
            let beside = PathBuf::from(format!("{}.{ending}", path.display()));
            if beside.exists() {
                format!("Some(include_bytes!({:?}))", beside.display().to_string())
            } else {
                "None".to_owned()
            }
        };
        let _ = writeln!(
            table,
            "    File {{ path: {name:?}, bytes: include_bytes!({:?}), brotli: {}, gzip: {} }},",
            path.display().to_string(),
            copy("br"),
            copy("gz"),
        );
    }
    table.push_str("];\n");
    table
}
