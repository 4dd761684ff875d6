//! The agents' page as it is served: its addresses, what a browser may do on it, and the document that a mail is shown in.

use crate::world::World;
use poem::http::Method;

/// The first script that the page names.
fn script_of(page: &str) -> String {
    let rest = page.split_once("src=\"").expect("a script").1;
    rest.split_once('"').expect("a quote").0.to_owned()
}

#[tokio::test]
async fn a_browser_is_led_to_the_page_and_every_address_of_it_is_the_page() {
    let world = World::new().await;
    let landing = world.send(Method::GET, "/", &[("accept", "text/html,*/*;q=0.8")], ()).await;
    assert_eq!((landing.status.as_u16(), landing.header("location")), (303, "/app/"));
    for path in [
        "/app",
        "/app/",
        "/app/accounts/1/conversations/5",
        "/app/auth/password/edit?reset_password_token=x",
        "/app/index.html",
    ] {
        let page = world.send(Method::GET, path, &[], ()).await;
        assert_eq!(page.status.as_u16(), 200, "{path}");
        assert!(page.text.contains("<div id=\"app\">"), "{path}: {}", page.text);
        assert_eq!(page.header("cache-control"), "no-cache", "{path}: a new version must be seen");
    }
}

#[tokio::test]
async fn the_page_runs_only_its_own_scripts_and_calls_only_this_server() {
    let world = World::new().await;
    let page = world.send(Method::GET, "/app/", &[], ()).await;
    let policy = page.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self';",
        "connect-src 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(rule), "{rule} is missing in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.text.contains("<script>") && !page.text.contains("onload="), "{}", page.text);
}

#[tokio::test]
async fn a_file_with_a_hash_is_kept_for_good_and_comes_compressed_as_the_browser_takes_it() {
    let world = World::new().await;
    let script = script_of(&world.send(Method::GET, "/app/", &[], ()).await.text);
    let plain = world.send(Method::GET, &script, &[], ()).await;
    assert_eq!(plain.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(plain.header("content-encoding"), "");
    for (takes, encoding) in [("gzip, deflate, br", "br"), ("gzip;q=1.0", "gzip"), ("identity", "")] {
        let answer = world.send(Method::GET, &script, &[("accept-encoding", takes)], ()).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (200, encoding), "{takes}");
        assert_eq!(answer.header("vary"), "accept-encoding");
    }
    let gone = world.send(Method::GET, "/app/assets/index-of-yesterday.js", &[], ()).await;
    assert_eq!(gone.status.as_u16(), 404, "a page instead of a script would be run as one");
}

#[tokio::test]
async fn in_the_document_of_a_mail_nothing_runs_or_submits_and_images_from_elsewhere_are_shown_only_when_asked_for() {
    let world = World::new().await;
    let blocked = world.send(Method::GET, "/app/mail-frame", &[], ()).await;
    let policy = blocked.header("content-security-policy");
    for rule in ["default-src 'none'", "form-action 'none'", "frame-ancestors 'self'", "img-src 'self' data:"] {
        assert!(policy.contains(rule), "{rule} is missing in {policy}");
    }
    let sandbox = policy.split(';').find(|rule| rule.trim().starts_with("sandbox")).expect("a sandbox");
    assert!(
        !sandbox.contains("allow-scripts") && !sandbox.contains("allow-forms") && !sandbox.contains("top-navigation"),
        "{sandbox}"
    );
    assert!(!policy.contains("script-src") && !policy.contains("https:"), "{policy}");
    assert_eq!(blocked.header("x-frame-options"), "SAMEORIGIN");
    let shown = world.send(Method::GET, "/app/mail-frame/remote-images", &[], ()).await;
    assert!(shown.header("content-security-policy").ends_with("img-src 'self' data: https: http:"));
}

#[tokio::test]
async fn the_page_and_its_files_are_not_counted_as_calls() {
    let world = World::new().await;
    for _ in 0..310 {
        assert_eq!(world.send(Method::GET, "/app/icon.svg", &[], ()).await.status.as_u16(), 200);
    }
    assert_eq!(world.send(Method::GET, "/", &[], ()).await.status.as_u16(), 200, "a stranger's minute is still there");
}
