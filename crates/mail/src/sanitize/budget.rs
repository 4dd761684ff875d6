//! Whether a page can be parsed at a reasonable price. Looks at tags only, in one pass; never judges what they mean.

use std::collections::HashMap;

/// Elements without content.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements that close by themselves when the next one begins.
const CLOSES_ITSELF: [&str; 14] =
    ["p", "li", "td", "tr", "th", "dt", "dd", "tbody", "thead", "tfoot", "option", "colgroup", "html", "body"];
/// Elements that the HTML parser opens again in every block after they were left open.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

const MAX_TAGS: usize = 100_000;
const MAX_DEPTH: usize = 300;
/// The sum, over all tags, of the formatting elements open at that point: what the parser may have to make again.
const MAX_REOPENED: usize = 500_000;

pub(super) fn affordable(html: &str) -> bool {
    let (mut tags, mut depth, mut formatting, mut reopened) = (0_usize, 0_usize, 0_usize, 0_usize);
    // By name: an end tag closes only what it names.
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let closes = rest.starts_with('/');
        let name_at = usize::from(closes);
        let length = rest[name_at..].bytes().take(20).take_while(u8::is_ascii_alphanumeric).count();
        if length == 0 {
            continue;
        }
        let name = rest[name_at..name_at + length].to_ascii_lowercase();
        tags += 1;
        reopened += formatting;
        if !VOID.contains(&name.as_str()) && !CLOSES_ITSELF.contains(&name.as_str()) {
            let level = if FORMATTING.contains(&name.as_str()) { &mut formatting } else { &mut depth };
            let of_this_name = open.entry(name).or_default();
            if !closes {
                *of_this_name += 1;
                *level += 1;
            } else if *of_this_name > 0 {
                *of_this_name -= 1;
                *level -= 1;
            }
        }
        if tags > MAX_TAGS || depth + formatting > MAX_DEPTH || reopened > MAX_REOPENED {
            return false;
        }
    }
    true
}
