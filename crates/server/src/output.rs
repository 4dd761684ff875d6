//! What a command says to whoever typed it: plain lines on standard output. Logs go to standard error.

use std::fmt::Display;
use std::io::Write;

/// One line. A reader that has gone away (`| head`) is no error.
pub fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
