//! The little Markdown that our own help pages are written in, as HTML.
//!
//! It reads headings, paragraphs, lists, fenced code, `code` and links, and nothing else: whatever is not one of these is text and is escaped.
//! Only texts that are built into the program come here, never anything a person sent.

use crate::html::escape;
use std::fmt::Write as _;

/// A text's first heading, and everything below it as HTML.
#[derive(Debug, PartialEq, Eq)]
pub struct Prose {
    pub title: String,
    pub html: String,
}

/// What is open while lines are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Paragraph,
    Steps,
    Points,
}

impl Open {
    const fn end(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Paragraph => "</p>",
            Self::Steps => "</li></ol>",
            Self::Points => "</li></ul>",
        }
    }

    fn close(&mut self, html: &mut String) {
        html.push_str(self.end());
        *self = Self::Nothing;
    }
}

pub fn read(text: &str) -> Prose {
    let (mut title, mut html, mut open) = (String::new(), String::new(), Open::Nothing);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim();
        if bare.is_empty() {
            // A list goes on after an empty line if its next item follows.
            if open == Open::Paragraph {
                open.close(&mut html);
            }
        } else if let Some(words) = bare.strip_prefix("# ") {
            open.close(&mut html);
            words.clone_into(&mut title);
        } else if let Some(words) = bare.strip_prefix("### ") {
            open.close(&mut html);
            let _ = write!(html, "<h3>{}</h3>", spans(words));
        } else if let Some(words) = bare.strip_prefix("## ") {
            open.close(&mut html);
            let _ = write!(html, "<h2>{}</h2>", spans(words));
        } else if bare.starts_with("```") {
            // Within a step the code belongs to it.
            if open == Open::Paragraph {
                open.close(&mut html);
            }
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.trim().starts_with("```")).collect();
            let indent = line.len() - line.trim_start().len();
            let code: Vec<&str> = code.iter().map(|line| line.get(indent..).unwrap_or(line.trim_start())).collect();
            let _ = write!(html, "<pre>{}</pre>", escape(&code.join("\n")));
        } else if let Some((item, list)) = item_of(bare) {
            if open == list {
                html.push_str("</li>");
            } else {
                open.close(&mut html);
                html.push_str(if list == Open::Steps { "<ol>" } else { "<ul>" });
            }
            open = list;
            let _ = write!(html, "<li>{}", spans(item));
        } else {
            let goes_on = open == Open::Paragraph || (open != Open::Nothing && line.starts_with(' '));
            if goes_on {
                html.push(' ');
            } else {
                open.close(&mut html);
                html.push_str("<p>");
                open = Open::Paragraph;
            }
            html.push_str(&spans(bare));
        }
    }
    html.push_str(open.end());
    Prose { title, html }
}

fn item_of(line: &str) -> Option<(&str, Open)> {
    if let Some(item) = line.strip_prefix("- ") {
        return Some((item, Open::Points));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let item = line.get(digits..)?.strip_prefix(". ")?;
    (1..=2).contains(&digits).then_some((item, Open::Steps))
}

/// Text with `code`, **strong words** and [links](https://…) in it.
fn spans(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        html.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        rest = match span(rest) {
            Some((made, after)) => {
                html.push_str(&made);
                after
            }
            None => {
                html.push_str(&escape(&rest[..1]));
                &rest[1..]
            }
        };
    }
    html.push_str(&escape(rest));
    html
}

/// What begins here, if it ends too, and what is behind it.
fn span(text: &str) -> Option<(String, &str)> {
    if let Some(code) = text.strip_prefix('`') {
        let (code, after) = code.split_once('`')?;
        return Some((format!("<code>{}</code>", escape(code)), after));
    }
    if let Some(strong) = text.strip_prefix("**") {
        let (strong, after) = strong.split_once("**")?;
        return Some((format!("<strong>{}</strong>", escape(strong)), after));
    }
    let (words, after) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = after.split_once(')')?;
    let fits = target.starts_with("https://") || (target.starts_with('/') && !target.starts_with("//"));
    fits.then(|| (format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escape(target), escape(words)), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_lists_code_and_links_become_html() {
        let text = "# Sending is *off*\n\n## What to do\n\nOpen `Exchange`\nor ask.\n\n1. First\n2. Then [there](https://aka.ms/x)\n   ```\n   Set-X <a>\n   ```\n3. **Last**\n\n- one\n- two\n\nDone.\n";
        let prose = read(text);
        assert_eq!(prose.title, "Sending is *off*");
        assert_eq!(
            prose.html,
            "<h2>What to do</h2><p>Open <code>Exchange</code> or ask.</p><ol><li>First</li><li>Then \
             <a href=\"https://aka.ms/x\" rel=\"noreferrer\">there</a><pre>Set-X &lt;a&gt;</pre></li><li><strong>Last</strong></li></ol>\
             <ul><li>one</li><li>two</li></ul><p>Done.</p>"
        );
    }

    #[test]
    fn what_is_no_mark_of_ours_stays_text() {
        let html = read("<script>x()</script> [a](javascript:x()) `open [b]( **c\n").html;
        assert_eq!(html, "<p>&lt;script&gt;x()&lt;/script&gt; [a](javascript:x()) `open [b]( **c</p>");
    }
}
