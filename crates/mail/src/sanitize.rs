//! Turns HTML from strangers into HTML that can be shown in a sandboxed frame.
//!
//! An allow-list of elements, attributes, CSS properties and URL schemes (ammonia does the parsing and the writing). Nothing that runs,
//! submits, frames, redirects or loads by itself is left; remote images wait behind `data-remote-src`. The HTML parser is quadratic on
//! deep nesting and multiplies unclosed formatting elements, so what would cost too much is shown as plain text instead.

mod budget;
mod remote;
mod style;

use crate::compose::html_to_text;
use ammonia::{Builder, UrlRelative};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

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
    let end = html.floor_char_boundary(options.max_bytes);
    let cut = &html[..end];
    let mut simplified = end < html.len();
    let clean = if budget::affordable(cut) {
        CLEANER.clean(cut).to_string()
    } else {
        simplified = true;
        format!("<pre>{}</pre>", ammonia::clean_text(&html_to_text(cut)))
    };
    let (html, blocked_remote_images) =
        if options.block_remote_images { remote::block_images(&clean) } else { (clean, 0) };
    let cids = remote::shown_cids(&html);
    SanitizedHtml { html, blocked_remote_images, cids, simplified }
}

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    const LAYOUT: [&str; 24] = [
        "align",
        "valign",
        "width",
        "height",
        "bgcolor",
        "border",
        "cellpadding",
        "cellspacing",
        "color",
        "face",
        "size",
        "dir",
        "lang",
        "title",
        "style",
        "class",
        "colspan",
        "rowspan",
        "nowrap",
        "start",
        "type",
        "hspace",
        "vspace",
        "clear",
    ];
    let mut builder = Builder::default();
    builder
        .add_tags([
            "font", "center", "u", "big", "tt", "address", "section", "article", "header", "footer", "main", "wbr",
            "ins", "del",
        ])
        .rm_tags(["map", "area"])
        .add_clean_content_tags([
            "title", "head", "noscript", "template", "object", "embed", "iframe", "frameset", "svg", "math", "select",
            "textarea", "button",
        ])
        .rm_clean_content_tags(["head"])
        .add_generic_attributes(LAYOUT)
        .add_url_schemes(["cid", "data"])
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .attribute_filter(keep_attribute)
        .strip_comments(true);
    builder
});

fn keep_attribute<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    match (element, attribute) {
        (_, "style") => Some(style::safe_declarations(value)).filter(|s| !s.is_empty()).map(Cow::Owned),
        ("img", "src") => {
            let lower = value.trim_start().chars().take(30).collect::<String>().to_ascii_lowercase();
            let harmless_data =
                ["data:image/png", "data:image/jpeg", "data:image/jpg", "data:image/gif", "data:image/webp"];
            let allowed = ["http://", "https://", "cid:"].iter().chain(&harmless_data).any(|s| lower.starts_with(s));
            allowed.then_some(Cow::Borrowed(value))
        }
        (_, "href" | "cite" | "src" | "longdesc" | "data") => {
            let scheme: String =
                value.trim_start().chars().take_while(|c| *c != ':').take(12).collect::<String>().to_ascii_lowercase();
            let allowed: HashSet<&str> = HashSet::from(["http", "https", "mailto", "tel"]);
            allowed.contains(scheme.as_str()).then_some(Cow::Borrowed(value))
        }
        _ => Some(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
mod tests;
