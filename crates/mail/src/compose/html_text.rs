//! HTML → readable text, in one pass. A reader, not a browser: it never fails, keeps no markup and forgets what styles and scripts say.

use super::entity::decode_entities;

/// Elements that begin on a line of their own.
const BLOCKS: [&str; 26] = [
    "p",
    "div",
    "br",
    "tr",
    "table",
    "ul",
    "ol",
    "li",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "pre",
    "section",
    "article",
    "header",
    "footer",
    "address",
    "dl",
    "dt",
    "dd",
    "center",
];
/// Elements whose content is not for reading.
const HIDDEN: [&str; 7] = ["style", "script", "head", "title", "template", "noscript", "svg"];
const MAX_QUOTE_DEPTH: usize = 20;

/// HTML → readable text; linear, and harmless with any input.
pub fn html_to_text(html: &str) -> String {
    let mut reader = Reader::default();
    let mut at = 0;
    // No tag ends behind the last `>`, and a head that was not closed once is not looked for again: both keep this linear.
    let last_end = html.rfind('>').unwrap_or(0);
    let mut head_is_open = false;
    while let Some(found) = html[at..].find('<').map(|i| at + i) {
        reader.text(&html[at..found]);
        let rest = &html[found..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            at = comment.find("-->").map_or(html.len(), |end| found + 4 + end + 3);
            continue;
        }
        let is_tag = found < last_end
            && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let Some(end) = is_tag.then(|| tag_end(rest)).flatten() else {
            reader.text("<");
            at = found + 1;
            continue;
        };
        let tag = &rest[1..end];
        let name = tag_name(tag).to_ascii_lowercase();
        at = found + end + 1;
        let hidden = !tag.starts_with('/') && HIDDEN.contains(&name.as_str()) && !(name == "head" && head_is_open);
        if hidden {
            match end_of_element(&html[at..], &name) {
                Some(end) => at += end,
                // Pages forget to close their head; of anything else that is hidden, nothing is shown.
                None if name == "head" => head_is_open = true,
                None => at = html.len(),
            }
            continue;
        }
        reader.tag(&name, tag);
    }
    reader.text(&html[at..]);
    reader.finish()
}

/// Where the `>` of the tag at the beginning of `html` is; a `>` within quotes does not count, unless the quote never ends (which can
/// happen once for each kind of quote, so this stays linear over a page).
fn tag_end(html: &str) -> Option<usize> {
    let bytes = html.as_bytes();
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if at > 0 && bytes[at - 1] == b'=' => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    html.find('>')
}

fn tag_name(tag: &str) -> &str {
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
    &tag[..end]
}

/// Where the element that was just opened ends, behind its end tag.
fn end_of_element(html: &str, name: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(after) = html[at..].find("</").map(|i| at + i + 2) {
        if html.as_bytes().get(after..after + name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes())) {
            return html[after..].find('>').map(|end| after + end + 1);
        }
        at = after;
    }
    None
}

#[derive(Default)]
struct Reader {
    out: String,
    /// A space is due before the next word.
    space: bool,
    /// Line breaks due before the next word: at most two.
    breaks: u8,
    quote_depth: usize,
    preformatted: usize,
    /// Target and where its label began, of the link being read.
    link: Option<(String, usize)>,
}

impl Reader {
    fn text(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        if raw.contains('&') { self.words(&decode_entities(raw)) } else { self.words(raw) }
    }

    fn words(&mut self, text: &str) {
        let mut rest = text;
        loop {
            // Most of any text: what is neither a space nor unseen is taken as it is, up to the next that may be.
            let plain = rest.bytes().take_while(u8::is_ascii_graphic).count();
            if plain > 0 {
                self.begin_word();
                self.out.push_str(&rest[..plain]);
                rest = &rest[plain..];
            }
            let mut chars = rest.chars();
            let Some(c) = chars.next() else { break };
            rest = chars.as_str();
            if c == '\n' && self.preformatted > 0 {
                self.line_break(1);
                self.breaks = (self.breaks + 1).min(2);
            } else if c.is_whitespace() && c != '\u{a0}' {
                if self.preformatted > 0 && self.breaks == 0 {
                    self.out.push(c);
                } else {
                    self.space = true;
                }
            } else if !c.is_control() && !matches!(c, '\u{200b}' | '\u{200c}' | '\u{feff}' | '\u{ad}' | '\u{34f}') {
                self.begin_word();
                self.out.push(if c == '\u{a0}' { ' ' } else { c });
            }
        }
    }

    fn begin_word(&mut self) {
        if self.breaks > 0 || self.out.is_empty() {
            if !self.out.is_empty() {
                for _ in 0..self.breaks {
                    self.out.push('\n');
                }
            }
            for _ in 0..self.quote_depth {
                self.out.push_str("> ");
            }
        } else if self.space && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.space = false;
    }

    fn line_break(&mut self, wanted: u8) {
        self.breaks = self.breaks.max(wanted);
        self.space = false;
    }

    fn tag(&mut self, name: &str, tag: &str) {
        let closes = tag.starts_with('/');
        match name {
            "br" => {
                self.breaks = (self.breaks + 1).min(2);
                self.space = false;
            }
            "blockquote" => {
                self.line_break(1);
                self.quote_depth = if closes {
                    self.quote_depth.saturating_sub(1)
                } else {
                    (self.quote_depth + 1).min(MAX_QUOTE_DEPTH)
                };
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "ul" | "ol" => self.line_break(2),
            "pre" => {
                self.line_break(1);
                self.preformatted = if closes { self.preformatted.saturating_sub(1) } else { self.preformatted + 1 };
            }
            "li" => {
                self.line_break(1);
                if !closes {
                    self.begin_word();
                    self.out.push_str("- ");
                }
            }
            "hr" => {
                self.line_break(1);
                self.begin_word();
                self.out.push_str("---");
                self.line_break(1);
            }
            "td" | "th" => self.space = true,
            "a" if closes => self.end_link(),
            "a" => {
                self.end_link();
                self.link = attribute(tag, "href").map(|href| (decode_entities(href.trim()), self.out.len()));
            }
            "img" => {
                if let Some(alt) = attribute(tag, "alt").filter(|a| !a.trim().is_empty()) {
                    self.text(&format!("[{}]", alt.trim()));
                }
            }
            _ if BLOCKS.contains(&name) => self.line_break(1),
            _ => {}
        }
    }

    /// Writes the target behind the label, unless the label already says it.
    fn end_link(&mut self) {
        let Some((href, start)) = self.link.take() else { return };
        let label = self.out.get(start..).unwrap_or_default().trim();
        let bare = |s: &str| {
            s.trim_start_matches("mailto:")
                .trim_start_matches("https://")
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_lowercase()
        };
        let worth_it = href.len() <= 2_000
            && ["http://", "https://", "mailto:"].iter().any(|s| href.to_ascii_lowercase().starts_with(s));
        if worth_it && !label.is_empty() && bare(label) != bare(&href) {
            self.text(&format!(" <{href}>").replace('&', "&amp;"));
        }
    }

    fn finish(mut self) -> String {
        self.end_link();
        let mut text = String::with_capacity(self.out.len());
        for line in self.out.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.trim().to_owned()
    }
}

/// The value of an attribute within a tag's text.
pub(crate) fn attribute<'t>(tag: &'t str, wanted: &str) -> Option<&'t str> {
    let bytes = tag.as_bytes();
    let is_space = |b: u8| b.is_ascii_whitespace();
    let mut at = bytes.iter().position(|b| is_space(*b) || *b == b'/')?;
    while at < bytes.len() {
        while at < bytes.len() && (is_space(bytes[at]) || bytes[at] == b'/') {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && !is_space(bytes[at]) && bytes[at] != b'=' {
            at += 1;
        }
        let name = &tag[start..at];
        while at < bytes.len() && is_space(bytes[at]) {
            at += 1;
        }
        if bytes.get(at) != Some(&b'=') {
            if start == at {
                at += 1;
            }
            continue;
        }
        at += 1;
        while at < bytes.len() && is_space(bytes[at]) {
            at += 1;
        }
        let (value_start, value_end) = match bytes.get(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let end = bytes[at + 1..].iter().position(|b| b == quote).map_or(bytes.len(), |i| at + 1 + i);
                (at + 1, end)
            }
            _ => (at, bytes[at..].iter().position(|b| is_space(*b)).map_or(bytes.len(), |i| at + i)),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(&tag[value_start..value_end]);
        }
        at = value_end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::html_to_text;

    #[test]
    fn paragraphs_lists_links_and_quotes_stay_readable() {
        let html = "<html><head><title>no</title><style>p{}</style></head><body><p>Hello&nbsp;<b>Ada</b>,</p>\
            <ul><li>one<li>two</ul><p>See <a href=\"https://x.org/a?b=1&amp;c=2\">here</a> or <a href='https://x.org'>x.org</a></p>\
            <blockquote>old<br>words</blockquote></body></html>";
        assert_eq!(
            html_to_text(html),
            "Hello Ada,\n\n- one\n- two\n\nSee here <https://x.org/a?b=1&c=2> or x.org\n\n> old\n> words"
        );
    }

    #[test]
    fn broken_markup_is_text() {
        assert_eq!(html_to_text("1 < 2 & 3 > 2 <b"), "1 < 2 & 3 > 2 <b");
        assert_eq!(html_to_text("<a title=\"a>b\">x</a>"), "x");
        assert_eq!(html_to_text("a<!-- <p>b"), "a");
        assert_eq!(html_to_text("<script>if (a<b) x()</script>y"), "y");
    }

    #[test]
    fn it_takes_linear_time() {
        // Quadratic work on these would take minutes.
        for piece in
            ["<", "<a ", "&", "<!--", "<a href=\"", "</", "<blockquote>", "<style><", "<head>", "<a b='>", "<p <", "\n"]
        {
            html_to_text(&piece.repeat(300_000 / piece.len()));
            html_to_text(&(piece.repeat(300_000 / piece.len()) + ">"));
        }
    }
}
