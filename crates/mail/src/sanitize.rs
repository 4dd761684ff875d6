//! Turns HTML from strangers into HTML that can be shown in a sandboxed frame.

#[derive(Clone, Debug)]
pub struct SanitizeOptions {
    /// Put remote images behind `data-remote-src` instead of `src`, so that showing the mail tells nobody.
    pub block_remote_images: bool,
    /// Longer input is cut.
    pub max_bytes: usize,
}

impl Default for SanitizeOptions {
    fn default() -> Self {
        Self { block_remote_images: true, max_bytes: 2 * 1024 * 1024 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SanitizedHtml {
    pub html: String,
    pub blocked_remote_images: u32,
    /// Content-IDs of the images it shows, in order, without repeats.
    pub cids: Vec<String>,
    /// It was cut, or shown as plain text because rendering it would cost too much.
    pub simplified: bool,
}

/// Sanitises `html`. The work is bounded, but run it on a blocking thread: two megabytes take a tenth of a second.
pub fn sanitize(html: &str, options: &SanitizeOptions) -> SanitizedHtml {
    let _ = (html, options);
    todo!()
}
