//! Folders that hold mail and keys: made so that only whoever runs the program may look into them.
//!
//! A folder that is there already is left as it is: somebody gave it its rights.

use std::path::Path;

pub fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
