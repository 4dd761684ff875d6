//! Inline styles: a list of properties that only change how the mail's own text looks. Nothing that loads, moves or covers.

const PROPERTIES: [&str; 60] = [
    "background",
    "background-color",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-bottom-style",
    "border-bottom-width",
    "border-collapse",
    "border-color",
    "border-left",
    "border-left-color",
    "border-left-style",
    "border-left-width",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-top-color",
    "border-top-style",
    "border-top-width",
    "border-width",
    "clear",
    "color",
    "direction",
    "display",
    "float",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-indent",
    "text-transform",
    "vertical-align",
    "white-space",
    "width",
];

/// The declarations that may stay.
pub(super) fn safe_declarations(style: &str) -> String {
    let mut out = String::new();
    for declaration in style.split(';').take(200) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim();
        if PROPERTIES.contains(&name.as_str()) && is_harmless(&name, value) {
            if !out.is_empty() {
                out.push(';');
            }
            out.push_str(&name);
            out.push(':');
            out.push_str(value);
        }
    }
    out
}

fn is_harmless(name: &str, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    // Backslashes and comments can spell `url(` in other ways; functions other than colours can load or compute.
    if value.len() > 300
        || value.contains(['\\', '<', '>', '@', '{', '}'])
        || value.contains("/*")
        || value.chars().any(char::is_control)
    {
        return false;
    }
    let colours_only =
        lower.match_indices('(').all(|(at, _)| ["rgb", "rgba", "hsl", "hsla"].iter().any(|f| lower[..at].ends_with(f)));
    // Negative margins lay text over what is not the mail's.
    let moves = name.starts_with("margin") && value.contains('-');
    colours_only && !moves && !lower.contains("expression") && !lower.contains("behavior") && !lower.contains("url")
}
