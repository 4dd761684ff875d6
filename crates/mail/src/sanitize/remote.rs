//! Images in HTML that was just written by the sanitiser: quoted attributes, no stray `<` in text. Never for HTML from elsewhere.

/// Renames `src` to `data-remote-src` on every image that would be loaded from the network.
pub(super) fn block_images(html: &str) -> (String, u32) {
    let mut out = String::with_capacity(html.len() + 64);
    let mut blocked = 0;
    let mut copied = 0;
    for_each_image_src(html, |name_at, value| {
        let lower = value.get(..8.min(value.len())).unwrap_or_default().to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            out.push_str(&html[copied..name_at]);
            out.push_str("data-remote-src");
            copied = name_at + "src".len();
            blocked += 1;
        }
    });
    out.push_str(&html[copied..]);
    (out, blocked)
}

/// The Content-IDs that images refer to.
pub(super) fn shown_cids(html: &str) -> Vec<String> {
    let mut cids = Vec::new();
    for_each_image_src(html, |_, value| {
        for cid in crate::parse::body::cids_in(value) {
            if !cids.contains(&cid) {
                cids.push(cid);
            }
        }
    });
    cids
}

/// Calls `found` with the place of the attribute's name and its value. Quotes decide where a tag ends: a `>` may stand in a title.
fn for_each_image_src(html: &str, mut found: impl FnMut(usize, &str)) {
    let bytes = html.as_bytes();
    let mut at = 0;
    while let Some(open) = html[at..].find('<').map(|i| at + i) {
        let is_image = html[open..].starts_with("<img ");
        let mut in_quotes = false;
        let mut end = open + 1;
        while end < bytes.len() && (in_quotes || bytes[end] != b'>') {
            in_quotes ^= bytes[end] == b'"';
            if is_image && !in_quotes && html[end..].starts_with(" src=\"") {
                let value_at = end + " src=\"".len();
                let value_end = html[value_at..].find('"').map_or(html.len(), |i| value_at + i);
                found(end + 1, &html[value_at..value_end]);
                end = value_end;
                // The closing quote is stepped over below.
            }
            end += 1;
            while end < bytes.len() && !html.is_char_boundary(end) {
                end += 1;
            }
        }
        at = end.min(html.len());
    }
}
