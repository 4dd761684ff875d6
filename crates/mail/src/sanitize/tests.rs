//! Nothing that acts by itself survives; what people wrote does.

use super::*;

fn clean(html: &str) -> SanitizedHtml {
    sanitize(html, &SanitizeOptions::default())
}

#[test]
fn nothing_that_runs_submits_frames_or_redirects_is_left() {
    for html in [
        "<script>alert(1)</script>",
        "<style>@import 'x';</style>",
        "<link rel=stylesheet href=http://x>",
        "<base href=http://x><a href=y>z</a>",
        "<meta http-equiv=refresh content='0;url=http://x'>",
        "<iframe src=http://x></iframe>",
        "<form action=http://x><input name=p><button>go</button></form>",
        "<object data=http://x></object><embed src=http://x>",
        "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
        "<math><mi xlink:href='javascript:x'>x</mi></math>",
        "<p onclick=alert(1)>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
        "<div style='background:url(http://x/track)'>x</div>",
        "<div style='background:u\\72l(http://x)'>x</div>",
        "<div style='position:fixed;top:0;width:expression(alert(1))'>x</div>",
        "<table background='http://x/track'><tr><td>x</table>",
        "<img srcset='http://x 2x' src='cid:a'>",
        "<video poster=http://x src=http://x></video>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    ] {
        let clean = clean(html).html.to_lowercase();
        for trace in [
            "script",
            "http://x",
            "onerror",
            "onload",
            "onclick",
            "<form",
            "<input",
            "<iframe",
            "<meta",
            "<base",
            "<link",
            "url(",
            "expression",
            "position",
            "data:",
            "@import",
            "<svg",
        ] {
            assert!(!clean.contains(trace), "{html} → {clean}");
        }
    }
}

#[test]
fn remote_images_wait_and_are_counted() {
    let html = "<p title='<img src=\"http://no\">'>a</p><img alt=\"a > b\" src=\"https://x.example/1.png\"><img src='HTTP://x.example/2.gif'><img src='cid:logo%40x'><img src='cid:logo@x'>";
    let shown = clean(html);
    assert_eq!(shown.blocked_remote_images, 2);
    assert_eq!(shown.cids, ["logo@x"]);
    assert!(
        shown.html.contains("data-remote-src=\"https://x.example/1.png\"") && !shown.html.contains(" src=\"http"),
        "{}",
        shown.html
    );
    let asked_for = sanitize(html, &SanitizeOptions { block_remote_images: false, ..SanitizeOptions::default() });
    assert!(asked_for.html.contains(" src=\"https://x.example/1.png\"") && asked_for.blocked_remote_images == 0);
}

#[test]
fn what_people_wrote_stays() {
    let html = "<div class=\"gmail_quote\" style=\"color: rgb(1,2,3); FONT-SIZE:12px\"><font color=\"red\">Hi</font> <a href=\"https://x.example\">there</a></div><table width=\"100%\"><tr><td>1</td></tr></table>";
    let shown = clean(html);
    for part in [
        "class=\"gmail_quote\"",
        "color:rgb(1,2,3);font-size:12px",
        "color=\"red\"",
        "href=\"https://x.example\"",
        "rel=\"noopener noreferrer nofollow\"",
        "target=\"_blank\"",
        "<td>1</td>",
    ] {
        assert!(shown.html.contains(part), "{part} in {}", shown.html);
    }
    assert!(!shown.simplified);
}

#[test]
fn a_page_that_would_cost_too_much_becomes_text() {
    for html in [
        "<div>".repeat(20_000) + "words",
        (0..400).map(|n| format!("<font size={n}>")).collect::<String>() + &"<p>words".repeat(50_000),
        (0..30).map(|n| format!("<font size={n}>")).collect::<String>() + &"<p>words".repeat(50_000),
        (0..10_000).map(|n| format!("<font size={n}></b>")).collect::<String>() + &"<p>words".repeat(30_000),
        "<b>".repeat(200_000) + "words",
        "<p>words".repeat(200_000),
    ] {
        let shown = clean(&html);
        assert!(shown.simplified && shown.html.contains("words"));
    }
}

#[test]
fn a_long_page_is_cut_between_characters() {
    let shown = sanitize(&"ä".repeat(1000), &SanitizeOptions { max_bytes: 101, ..SanitizeOptions::default() });
    assert_eq!((shown.html.as_str(), shown.simplified), ("ä".repeat(50).as_str(), true));
}
