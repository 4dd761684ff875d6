//! What an agent writes → the two versions of a mail's body. Raw HTML in it is shown as text: an agent's Markdown cannot smuggle markup
//! into a customer's mail program.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

const OPTIONS: Options = Options::ENABLE_STRIKETHROUGH.union(Options::ENABLE_TABLES);

/// Markdown → HTML for a mail; raw HTML in it is shown as text.
pub fn markdown_to_html(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len() * 2);
    html::push_html(&mut out, events(markdown).into_iter());
    out
}

/// The events of the text, made safe, with line breaks kept (people press Enter and mean it) and bare links made clickable.
fn events(markdown: &str) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    let mut verbatim = 0_u32;
    let mut dropped_links = Vec::new();
    for event in Parser::new_ext(markdown, OPTIONS) {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => events.push(Event::Text(raw)),
            Event::SoftBreak => events.push(Event::HardBreak),
            Event::Start(Tag::HtmlBlock) => events.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => events.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Link { ref dest_url, .. } | Tag::Image { ref dest_url, .. }) if !is_safe(dest_url) => {
                dropped_links.push(event.clone().into_static());
                verbatim += 1;
            }
            Event::End(TagEnd::Link | TagEnd::Image) if drops(&dropped_links, &event) => {
                dropped_links.pop();
                verbatim -= 1;
            }
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_)) => {
                if !dropped_links.is_empty() && !matches!(event, Event::Start(Tag::CodeBlock(_))) {
                    dropped_links.push(Event::Rule);
                }
                verbatim += 1;
                events.push(event);
            }
            Event::End(TagEnd::Link | TagEnd::Image | TagEnd::CodeBlock) => {
                if !dropped_links.is_empty() && !matches!(event, Event::End(TagEnd::CodeBlock)) {
                    dropped_links.pop();
                }
                verbatim = verbatim.saturating_sub(1);
                events.push(event);
            }
            Event::Text(text) if verbatim == 0 => push_linked(&mut events, text),
            other => events.push(other),
        }
    }
    events
}

/// Whether this end belongs to a link that was dropped.
fn drops(dropped: &[Event<'_>], end: &Event<'_>) -> bool {
    matches!(
        (dropped.last(), end),
        (Some(Event::Start(Tag::Link { .. })), Event::End(TagEnd::Link))
            | (Some(Event::Start(Tag::Image { .. })), Event::End(TagEnd::Image))
    )
}

fn is_safe(url: &str) -> bool {
    let lower = url.trim().to_ascii_lowercase();
    ["http://", "https://", "mailto:", "tel:", "cid:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// Text with `https://…` in it becomes text and links.
fn push_linked<'a>(events: &mut Vec<Event<'a>>, text: CowStr<'a>) {
    let find = |s: &str| [s.find("https://"), s.find("http://")].into_iter().flatten().min();
    if find(&text).is_none() {
        events.push(Event::Text(text));
        return;
    }
    let mut rest: &str = &text;
    while let Some(at) = find(rest) {
        let end =
            rest[at..].find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).map_or(rest.len(), |i| at + i);
        let url = rest[at..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'']);
        if !rest[..at].is_empty() {
            events.push(Event::Text(rest[..at].to_owned().into()));
        }
        let dest: CowStr<'a> = url.to_owned().into();
        events.push(Event::Start(Tag::Link {
            link_type: LinkType::Autolink,
            dest_url: dest.clone(),
            title: "".into(),
            id: "".into(),
        }));
        events.push(Event::Text(dest));
        events.push(Event::End(TagEnd::Link));
        rest = &rest[at + url.len()..];
    }
    if !rest.is_empty() {
        events.push(Event::Text(rest.to_owned().into()));
    }
}

/// Markdown → the text/plain alternative.
pub fn markdown_to_text(markdown: &str) -> String {
    let mut writer = TextWriter::default();
    for event in events(markdown) {
        writer.event(event);
    }
    writer.out.trim().to_owned()
}

#[derive(Default)]
struct TextWriter {
    out: String,
    /// What every line begins with: quote marks and indents of lists.
    prefix: Vec<&'static str>,
    /// The next number of each open ordered list; `None` for bullets.
    lists: Vec<Option<u64>>,
    links: Vec<(String, usize)>,
    at_line_start: bool,
}

impl TextWriter {
    fn write(&mut self, text: &str) {
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                self.new_line();
            }
            if line.is_empty() {
                continue;
            }
            if self.at_line_start {
                for part in &self.prefix {
                    self.out.push_str(part);
                }
                self.at_line_start = false;
            }
            self.out.push_str(line);
        }
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.at_line_start = true;
    }

    /// Ends the current line, and leaves an empty one unless within a list.
    fn end_block(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.new_line();
        }
        if self.lists.is_empty() && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.new_line();
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) | Event::Html(text) => self.write(&text),
            Event::SoftBreak | Event::HardBreak => self.new_line(),
            Event::Rule => {
                self.write("---");
                self.end_block();
            }
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => self.write(&text),
            Event::TaskListMarker(done) => self.write(if done { "[x] " } else { "[ ] " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::BlockQuote(_) => {
                self.end_block();
                self.prefix.push("> ");
            }
            Tag::List(first) => {
                if !self.lists.is_empty() && !self.out.ends_with('\n') {
                    self.new_line();
                }
                self.lists.push(first);
            }
            Tag::Item => {
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                if !self.out.is_empty() && !self.out.ends_with('\n') {
                    self.new_line();
                }
                self.write(&marker);
                self.prefix.push("  ");
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.to_string(), self.out.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Table => self.end_block(),
            TagEnd::TableRow | TagEnd::TableHead => self.new_line(),
            TagEnd::TableCell => self.write(" \t"),
            TagEnd::BlockQuote(_) => {
                self.prefix.pop();
                self.end_block();
            }
            TagEnd::Item => {
                self.prefix.pop();
                if !self.out.ends_with('\n') {
                    self.new_line();
                }
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.end_block();
            }
            TagEnd::Link | TagEnd::Image => {
                let Some((dest, start)) = self.links.pop() else { return };
                let label = self.out.get(start..).unwrap_or_default().trim();
                if label != dest && !dest.starts_with("cid:") && dest.strip_prefix("mailto:") != Some(label) {
                    self.write(&format!(" <{dest}>"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_html_is_shown_and_not_obeyed() {
        let html = markdown_to_html("Hi <script>alert(1)</script> <b>x</b>\n\n<div onclick=x>y</div>");
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<div"), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn links_that_could_do_harm_lose_their_target() {
        let html = markdown_to_html(
            "[a](javascript:alert(1)) [b](https://x.org) ![c](data:text/html,x) [![i](cid:1)](vbscript:x)",
        );
        assert!(!html.contains("javascript") && !html.contains("data:") && !html.contains("vbscript"), "{html}");
        assert!(html.contains("<a href=\"https://x.org\">b</a>") && html.contains("cid:1"), "{html}");
        assert_eq!(html.matches("<a ").count(), html.matches("</a>").count());
    }

    #[test]
    fn bare_links_are_clickable_and_lines_stay_lines() {
        let html = markdown_to_html("see https://x.org/a.\nbye");
        assert_eq!(html.trim(), "<p>see <a href=\"https://x.org/a\">https://x.org/a</a>.<br />\nbye</p>");
    }

    #[test]
    fn the_text_version_reads_like_the_html_one() {
        let text =
            markdown_to_text("# Hi\n\nDear **Ada**,\n\n- one\n- two\n\n1. x\n2. y\n\n> old\n\n[docs](https://x.org)");
        assert_eq!(text, "Hi\n\nDear Ada,\n\n- one\n- two\n\n1. x\n2. y\n\n> old\n\ndocs <https://x.org>");
    }
}
